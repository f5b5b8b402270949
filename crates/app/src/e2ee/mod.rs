//! End-to-end encryption's server half: public keys, the signatures between them, and messages from device to device.
//!
//! The server holds no secret of a conversation. What it owes clients is order (a key is known before the first message that needs it),
//! once (a one-time key is handed out once, a to-device message is delivered once) and honesty (every change of devices is announced).

pub mod cross_signing;
pub mod dehydrated_devices;
pub mod device_keys;
pub mod device_list_copies;
pub mod device_lists;
pub mod key_backup;
pub mod key_signatures;
pub mod one_time_keys;
mod signed;
pub mod to_device;

pub use cross_signing::CrossSigning;
pub use dehydrated_devices::DehydratedDevices;
pub use device_keys::DeviceKeys;
pub use device_list_copies::DeviceListCopies;
pub use device_lists::DeviceLists;
pub use key_backup::KeyBackup;
pub use key_signatures::KeySignatures;
pub use one_time_keys::OneTimeKeys;
pub use to_device::{ToDevice, ToDeviceParts};

use std::time::Duration;

use ruma::ServerName;
use serde_json::{Value, json};

use crate::federation::PeerError;

/// Times that a write is decided again after somebody else wrote first.
const ATTEMPTS: usize = 20;
/// How long other servers are asked for, where the client does not say (client-server, `/keys/query`), and at most.
const USUAL_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long other servers are asked for, by the client's wish.
fn timeout(wish: Option<Duration>) -> Duration {
    wish.unwrap_or(USUAL_WAIT).min(LONGEST_WAIT)
}

/// What is told of a server that could not be asked.
fn failure(error: PeerError, server_name: &ServerName) -> Value {
    let told = error.told(server_name);
    json!({ "errcode": told.kind.code(), "error": told.message })
}
