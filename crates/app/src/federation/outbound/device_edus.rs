//! Changes of devices as others are told them: how the device is now, with the change before it, so that they see whether they missed one.

use std::sync::Arc;

use domicile_core::ids::Position;
use domicile_store::{
    Snapshot,
    table::{
        device_changes::{CROSS_SIGNING, DeviceChange},
        devices::{self, Device},
    },
};
use ruma::{
    OwnedDeviceId, UInt,
    api::federation::transactions::edu::{DeviceListUpdateContent, Edu, SigningKeyUpdateContent},
};

use crate::{Result, accounts::Users, e2ee::device_keys::keys_for_others};

/// A change that is to be told. The device's name is sealed, and opened outside the snapshot.
pub(super) struct Told {
    /// The EDU.
    pub(super) edu: Edu,
    /// The device, if it is still there.
    pub(super) device: Option<Device>,
}

/// What is told of changes.
pub(super) async fn edus(snapshot: &Snapshot, users: &Arc<Users>, changes: &[DeviceChange]) -> Result<Vec<Told>> {
    let mut told = Vec::with_capacity(changes.len());
    for change in changes {
        let user_id = users.load_id(snapshot, change.user_num).await?;
        let mut keys = keys_for_others(snapshot, change.user_num, &user_id).await?;
        if change.device_id == CROSS_SIGNING {
            let mut content = SigningKeyUpdateContent::new(user_id.clone());
            content.master_key = keys.master_keys.remove(&user_id);
            content.self_signing_key = keys.self_signing_keys.remove(&user_id);
            told.push(Told { edu: Edu::SigningKeyUpdate(content), device: None });
            continue;
        }
        let device = devices::by_id(snapshot, change.user_num, &change.device_id).await?;
        let device_id = OwnedDeviceId::from(change.device_id.as_str());
        let mut devices = keys.device_keys.remove(&user_id).unwrap_or_default();
        let mut content = DeviceListUpdateContent::new(user_id, device_id.clone(), stream_id(change.position));
        if change.prev_position > Position::START {
            content.prev_id.push(stream_id(change.prev_position));
        }
        content.deleted = device.is_none().then_some(true);
        content.keys = devices.remove(&device_id);
        told.push(Told { edu: Edu::DeviceListUpdate(content), device });
    }
    Ok(told)
}

fn stream_id(position: Position) -> UInt {
    UInt::try_from(position.0).unwrap_or_default()
}
