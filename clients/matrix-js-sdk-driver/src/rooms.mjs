// Rooms and the messages in them.

import { Direction, MsgType, Preset } from "matrix-js-sdk";

import { pause, until } from "./wait.mjs";

const ENCRYPTION = { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } };

export async function create({ client }, encrypted, name, invite = []) {
  const initial_state = encrypted ? [ENCRYPTION] : [];
  const { room_id } = await client.createRoom({ preset: Preset.PrivateChat, name, invite, initial_state });
  return { room: room_id };
}

export async function invite({ client }, room, user) {
  await client.invite(room, user);
}

export async function join({ client }, room) {
  await client.joinRoom(room);
}

export function list({ client }) {
  const ids = (membership) => client.getRooms().filter((room) => room.getMyMembership() === membership).map((room) => room.roomId);
  return { invited: ids("invite"), joined: ids("join") };
}

export async function waitMembers(session, id, count, timeout) {
  const room = await session.room(id);
  const look = () => room.getJoinedMembers().length === count;
  await until(look, timeout, () => `${id} has ${room.getJoinedMembers().length} joined members, not ${count}`);
}

export async function send(session, id, body) {
  await session.room(id);
  const { event_id } = await session.client.sendMessage(id, { msgtype: MsgType.Text, body });
  return { event: event_id };
}

export async function sendMany(session, id, bodies) {
  const events = [];
  for (const body of bodies) events.push((await send(session, id, body)).event);
  return { events };
}

/** Reads again while something cannot be decrypted yet: a key comes from the backup in the background. */
export async function history({ client }, id, limit, timeout) {
  const end = Date.now() + timeout;
  for (;;) {
    const page = await client.createMessagesRequest(id, null, limit, Direction.Backward);
    const events = page.chunk.map(client.getEventMapper({ decrypt: false }));
    for (const event of events) await client.decryptEventIfNeeded(event);
    const unreadable = events.filter((event) => event.isDecryptionFailure());
    if (unreadable.length === 0 || Date.now() > end) {
      const messages = events.reverse().filter((event) => event.getType() === "m.room.message" && !event.isDecryptionFailure());
      return {
        messages: messages.map((event) => ({
          event: event.getId(),
          sender: event.getSender(),
          body: event.getContent().body,
        })),
        unreadable: unreadable.map((event) => event.getId()),
      };
    }
    await pause(200);
  }
}
