// Cross-signing, the key backup, and verification by emoji.
//
// A driver accepts whatever verification another device asks for and says that the emoji are the same: what is under test is the
// server between the two, not the eyes before them.

import { CryptoEvent, VerificationPhase, VerifierEvent, decodeRecoveryKey } from "matrix-js-sdk/lib/crypto-api/index.js";

import { until } from "./wait.mjs";

export async function bootstrap({ client }, password) {
  await client.getCrypto().bootstrapCrossSigning({
    authUploadDeviceSigningKeys: async (upload) => {
      try {
        return await upload(null);
      } catch (error) {
        if (error.httpStatus !== 401 || !error.data?.session) throw error;
        const identifier = { type: "m.id.user", user: client.getUserId() };
        return await upload({ type: "m.login.password", identifier, password, session: error.data.session });
      }
    },
  });
}

export async function enableRecovery(session) {
  const crypto = session.client.getCrypto();
  const key = await crypto.createRecoveryKeyFromPassphrase();
  session.recoveryKey = key.privateKey;
  await crypto.bootstrapSecretStorage({ createSecretStorageKey: async () => key, setupNewKeyBackup: true });
  return { key: key.encodedPrivateKey };
}

export async function recover(session, key) {
  const crypto = session.client.getCrypto();
  session.recoveryKey = decodeRecoveryKey(key);
  await crypto.bootstrapCrossSigning({});
  await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
  const backup = await crypto.checkKeyBackupAndEnable();
  await crypto.restoreKeyBackup();
  return { backup: backup !== null };
}

export async function waitVerified({ client }, timeout) {
  const signed = async () => {
    const status = await client.getCrypto().getDeviceVerificationStatus(client.getUserId(), client.getDeviceId());
    return status?.signedByOwner;
  };
  await until(signed, timeout, `this device is not signed by its owner's keys after ${timeout} ms`);
}

/** Does not ask the server: it is the server that has to say that there is a new device. */
export async function waitDevice({ client }, device, timeout) {
  const user = client.getUserId();
  const known = async () => (await client.getCrypto().getUserDeviceInfo([user])).get(user)?.has(device);
  await until(known, timeout, `the device ${device} of ${user} was not announced within ${timeout} ms`);
}

export async function verify({ client }, device, timeout) {
  const request = await client.getCrypto().requestDeviceVerification(client.getUserId(), device);
  await until(() => request.phase === VerificationPhase.Ready, timeout, "the other side did not accept");
  const emoji = await compare(await request.startVerification("m.sas.v1"));
  return { emoji };
}

/** From now on, accepts what other devices ask for. */
export function acceptVerifications(client) {
  client.on(CryptoEvent.VerificationRequestReceived, async (request) => {
    try {
      await request.accept();
      await until(() => request.verifier, 30_000, "the other side did not start");
      await compare(request.verifier);
    } catch (error) {
      process.stderr.write(`a verification failed: ${error.message}\n`);
    }
  });
}

/** Says that the emoji are the same, and waits until the other side says so too. */
async function compare(verifier) {
  let emoji = [];
  const confirm = (sas) => {
    emoji = sas.sas.emoji.map(([, name]) => name);
    sas.confirm().catch(() => {});
  };
  const shown = verifier.getShowSasCallbacks();
  if (shown) confirm(shown);
  else verifier.once(VerifierEvent.ShowSas, confirm);
  await verifier.verify();
  return emoji;
}
