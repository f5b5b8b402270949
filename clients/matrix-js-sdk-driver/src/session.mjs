// One client and its account. Its keys are in an IndexedDB as in a browser, but in memory, since Node has none: a session can be taken up by a new client as
// after a page was loaded anew, and ends with the process.

import "fake-indexeddb/auto";

import { ClientEvent, createClient, Filter } from "matrix-js-sdk";

import { Inbox } from "./inbox.mjs";
import * as trust from "./trust.mjs";
import { until } from "./wait.mjs";

// So long a timeline that a play at full speed leaves no gap: what is in a gap is history, and does not arrive.
const TIMELINE = 1000;

// What a page would keep beside its keys: the session of each store.
const sessions = new Map();

export class Session {
  client;
  inbox = new Inbox();
  recoveryKey;

  constructor(homeserver, store) {
    this.homeserver = homeserver;
    this.store = store;
    this.client = createClient({ baseUrl: homeserver });
  }

  async register(username, password, token) {
    const request = { username, password, initial_device_display_name: "matrix-js-sdk" };
    // Each answer names the stages that are left; two are the most that a server asks for here.
    for (let round = 0; round < 4; round += 1) {
      try {
        return await this.#begin(await this.client.registerRequest(request));
      } catch (error) {
        if (error.httpStatus !== 401 || !error.data?.flows) throw error;
        request.auth = nextStage(error.data, token);
      }
    }
    throw new Error(`registering ${username}: the server never was content with the stages it asked for`);
  }

  async login(user, password) {
    const request = { type: "m.login.password", identifier: { type: "m.id.user", user }, password };
    return await this.#begin(await this.client.loginRequest({ ...request, initial_device_display_name: "matrix-js-sdk" }));
  }

  async #begin(answer) {
    sessions.set(this.store, answer);
    this.client = createClient({
      baseUrl: this.homeserver,
      userId: answer.user_id,
      deviceId: answer.device_id,
      accessToken: answer.access_token,
      verificationMethods: ["m.sas.v1"],
      timelineSupport: true,
      cryptoCallbacks: {
        getSecretStorageKey: async ({ keys }) => this.recoveryKey && [Object.keys(keys)[0], this.recoveryKey],
        cacheSecretStorageKey: () => {},
      },
    });
    await this.client.initRustCrypto({ cryptoDatabasePrefix: this.store });
    this.inbox.listen(this.client);
    trust.acceptVerifications(this.client);
    return { user: answer.user_id, device: answer.device_id };
  }

  /** Takes up the session whose keys are in this store. */
  async restore() {
    const answer = sessions.get(this.store);
    if (!answer) throw new Error(`no session of this process has its keys in ${this.store}; they end with the process`);
    return await this.#begin(answer);
  }

  async logout() {
    await this.client.logout(true);
  }

  async startSync(sliding) {
    if (sliding) throw new Error("this driver receives by /v3/sync only");
    const filter = new Filter(this.client.getUserId());
    filter.setDefinition({ room: { timeline: { limit: TIMELINE } } });
    const ready = new Promise((resolve) => {
      this.client.on(ClientEvent.Sync, (state) => ["PREPARED", "SYNCING"].includes(state) && resolve());
    });
    await this.client.startClient({ filter, initialSyncLimit: TIMELINE, pollTimeout: 20_000 });
    await ready;
  }

  stopSync() {
    this.client.stopClient();
  }

  /** A joined room, once sync has brought it. */
  room(id) {
    const joined = () => {
      const room = this.client.getRoom(id);
      return room?.getMyMembership() === "join" ? room : undefined;
    };
    return until(joined, 10_000, `${id} did not come with /sync within ten seconds`);
  }
}

/** What to answer to the first stage that is left, in a flow that this client can finish. */
function nextStage({ flows, completed = [], session }, token) {
  for (const { stages } of flows) {
    const type = stages.find((stage) => !completed.includes(stage));
    if (type === "m.login.dummy") return { type, session };
    if (type === "m.login.registration_token" && token) return { type, token, session };
  }
  throw new Error(`no way of registering that this client knows: ${JSON.stringify(flows)}`);
}
