// What `/sync` brought, in the state in which it came.
//
// A message whose first decryption failed stays on the list as unreadable, even where its key comes later.

import { MatrixEventEvent, RoomEvent } from "matrix-js-sdk";

import { until } from "./wait.mjs";

export class Inbox {
  #arrivals = [];

  listen(client) {
    client.on(RoomEvent.Timeline, (event, room, toStart, removed, data) => {
      if (!data.liveEvent || event.isSending() || event.getSender() === client.getUserId()) return;
      if (event.isEncrypted() && (event.isBeingDecrypted() || event.shouldAttemptDecryption())) {
        event.once(MatrixEventEvent.Decrypted, () => this.#take(event));
      } else {
        this.#take(event);
      }
    });
  }

  #take(event) {
    const unreadable = event.isDecryptionFailure();
    if (!unreadable && event.getType() !== "m.room.message") return;
    const body = unreadable ? null : (event.getContent().body ?? "");
    this.#arrivals.push({ room: event.getRoomId(), event: event.getId(), sender: event.getSender(), body });
  }

  #of(room) {
    return this.#arrivals.filter((arrival) => arrival.room === room);
  }

  #counts(room, bodies) {
    const counts = Object.fromEntries(bodies.map((body) => [body, 0]));
    for (const { body } of this.#of(room)) if (body !== null && body in counts) counts[body] += 1;
    return counts;
  }

  async expect(room, bodies, timeout) {
    let complete = true;
    await until(() => Object.values(this.#counts(room, bodies)).every((n) => n > 0), timeout, "").catch(() => {
      complete = false;
    });
    const unreadable = this.#of(room).filter(({ body }) => body === null);
    return { complete, counts: this.#counts(room, bodies), unreadable: unreadable.map(({ event }) => event) };
  }

  forget() {
    this.#arrivals = [];
  }

  arrivals(room) {
    return { messages: this.#of(room).map(({ event, sender, body }) => ({ event, sender, body })) };
  }
}
