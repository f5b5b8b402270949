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
pub mod key_incidents;
pub mod key_signatures;
pub mod one_time_keys;
pub mod pinned_keys;
mod signed;
pub mod to_device;
mod unsigned_devices;

pub use cross_signing::CrossSigning;
pub use dehydrated_devices::DehydratedDevices;
pub use device_keys::DeviceKeys;
pub use device_list_copies::DeviceListCopies;
pub use device_lists::DeviceLists;
pub use key_backup::KeyBackup;
pub use key_incidents::KeyIncidents;
pub use key_signatures::KeySignatures;
pub use one_time_keys::OneTimeKeys;
pub use to_device::{ToDevice, ToDeviceParts};
pub use unsigned_devices::UnsignedDevices;

use std::time::Duration;

use domicile_core::{error::ErrorKind, locality::is_cell};
use ruma::ServerName;
use serde_json::{Value, json};

use crate::federation::PeerError;

/// Times that a write is decided again after somebody else wrote first.
const ATTEMPTS: usize = 20;
/// How long other servers are asked for, where the client does not say (client-server, `/keys/query`), and at most.
const USUAL_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// How long other servers are asked for, by the client's wish.
fn timeout(wish: Option<Duration>) -> Duration {
    wish.unwrap_or(USUAL_WAIT).min(LONGEST_WAIT)
}

/// What a server answers, or what is told of it where it could not be asked in time. Finding the server counts, too.
async fn within<T>(
    wait: Duration,
    server_name: &ServerName,
    asking: impl Future<Output = Result<T, PeerError>>,
) -> Result<T, Value> {
    let told = match tokio::time::timeout(wait, asking).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => error.told(server_name),
        Err(_) if is_cell(server_name) => {
            ErrorKind::BadGateway.with("The part of this service in which they have their home did not answer in time.")
        }
        Err(_) => ErrorKind::BadGateway.with(format!("{server_name} did not answer in time.")),
    };
    Err(json!({ "errcode": told.kind.code(), "error": told.message }))
}
