//! Keys of devices and of people as clients upload them, with right signatures where a server looks at them.

#![expect(clippy::expect_used, reason = "a fixture that fails ends its test")]

use domicile_room::event::ServerSigner;
use ruma::{CanonicalJsonObject, owned_server_name, signatures::sign_json};
use serde_json::{Value, json};

/// The keys of a device.
pub fn device(user_id: &str, device_id: &str) -> Value {
    json!({
        "user_id": user_id, "device_id": device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": { format!("curve25519:{device_id}"): "one", format!("ed25519:{device_id}"): "other" },
        "signatures": { user_id: { format!("ed25519:{device_id}"): "signature" } },
    })
}

/// The cross-signing keys of somebody.
#[derive(Clone, Debug)]
pub struct CrossSigning {
    /// The master key.
    pub master: Value,
    /// The self-signing key, signed by the master key.
    pub self_signing: Value,
    /// The user-signing key, signed by the master key.
    pub user_signing: Value,
}

/// Keys that are the same for the same seed.
pub fn cross_signing(user_id: &str, seed: u8) -> CrossSigning {
    let master = key(seed);
    let of = |seed: u8, usage: &str| {
        let public = key(seed).public_key();
        json!({ "user_id": user_id, "usage": [usage], "keys": { format!("ed25519:{public}"): public } })
    };
    CrossSigning {
        master: of(seed, "master"),
        self_signing: signed(user_id, &master, of(seed.wrapping_add(1), "self_signing")),
        user_signing: signed(user_id, &master, of(seed.wrapping_add(2), "user_signing")),
    }
}

/// A key with the signature of the cross-signing key of a seed.
pub fn signed_by(user_id: &str, seed: u8, key: Value) -> Value {
    signed(user_id, &self::key(seed), key)
}

/// A key whose id is its public half.
fn key(seed: u8) -> ServerSigner {
    let made = |version: &str| ServerSigner::from_seed(owned_server_name!("nowhere"), &[seed; 32], version);
    let public = made("x").expect("a key").public_key();
    made(&public).expect("a key")
}

fn signed(user_id: &str, signer: &ServerSigner, key: Value) -> Value {
    let mut object: CanonicalJsonObject = serde_json::from_value(key).expect("canonical JSON");
    sign_json(user_id, signer.key_pair(), &mut object).expect("a signature");
    serde_json::to_value(object).expect("JSON")
}
