// A Matrix client that is told what to do, line by line.
//
// Each line of standard input is a command, `{"id": 1, "do": "send", …}`; each line of standard output answers one,
// `{"id": 1, "ok": …}` or `{"id": 1, "error": "…"}`. The commands are those of `../matrix-sdk-driver/src/command.rs`.

import "./node20.mjs";
import "./quiet.mjs";

import { createInterface } from "node:readline";

import * as rooms from "./rooms.mjs";
import { Session } from "./session.mjs";
import * as trust from "./trust.mjs";

let session;

const commands = {
  register: (c) => session.register(c.user, c.password, c.token),
  login: (c) => session.login(c.user, c.password),
  restore: () => session.restore(),
  logout: () => session.logout(),
  sync_start: (c) => session.startSync(c.sliding),
  sync_stop: () => session.stopSync(),
  create_room: (c) => rooms.create(session, c.encrypted, c.name, c.invite),
  invite: (c) => rooms.invite(session, c.room, c.user),
  join: (c) => rooms.join(session, c.room),
  rooms: () => rooms.list(session),
  wait_members: (c) => rooms.waitMembers(session, c.room, c.count, c.timeout),
  send: (c) => rooms.send(session, c.room, c.body),
  send_many: (c) => rooms.sendMany(session, c.room, c.bodies),
  history: (c) => rooms.history(session, c.room, c.limit, c.timeout),
  expect: (c) => session.inbox.expect(c.room, c.bodies, c.timeout),
  arrivals: (c) => session.inbox.arrivals(c.room),
  forget_arrivals: () => session.inbox.forget(),
  bootstrap_cross_signing: (c) => trust.bootstrap(session, c.password),
  enable_recovery: () => trust.enableRecovery(session),
  recover: (c) => trust.recover(session, c.key),
  wait_device: (c) => trust.waitDevice(session, c.device, c.timeout),
  verify: (c) => trust.verify(session, c.device, c.timeout),
  wait_verified: (c) => trust.waitVerified(session, c.timeout),
};

async function obey(command) {
  if (command.do === "open") {
    session = new Session(command.homeserver, command.store);
    return {};
  }
  const action = commands[command.do];
  if (!action) throw new Error(`no command is called \`${command.do}\``);
  if (!session) throw new Error("no client yet: `open` comes first");
  return await action(command);
}

/** What went wrong, with the server's own words where they are its. */
function reason(error) {
  const cause = error?.cause ? ` (${error.cause.message ?? error.cause})` : "";
  return `${error?.message ?? error}${cause}`;
}

const answer = (line) => new Promise((written) => process.stdout.write(`${JSON.stringify(line)}\n`, written));

process.on("unhandledRejection", (error) => process.stderr.write(`in the background: ${reason(error)}\n`));

for await (const line of createInterface({ input: process.stdin })) {
  let command = {};
  try {
    command = JSON.parse(line);
    if (command.do === "quit") {
      await answer({ id: command.id, ok: {} });
      break;
    }
    await answer({ id: command.id, ok: (await obey(command)) ?? {} });
  } catch (error) {
    await answer({ id: command.id, error: reason(error) });
  }
}
process.exit(0);
