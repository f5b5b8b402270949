//! Devices of other cells' people that these have not signed with their own keys (cross-signing). Where the operator has them withheld, nobody here is
//! told of them and no key of theirs is handed out, so nothing is encrypted for a device that a stolen cell has added to one of its people.

use std::sync::Arc;

use ruma::UserId;

use super::{cross_signing::public_key, device_keys::Found, signed};
use crate::accounts::Users;

/// Leaves them out, or not.
pub struct UnsignedDevices {
    users: Arc<Users>,
    withheld: bool,
}

/// The key with which somebody signs their devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signer {
    id: String,
    public: String,
}

impl UnsignedDevices {
    /// As the operator says.
    pub fn new(users: Arc<Users>, withheld: bool) -> Self {
        Self { users, withheld }
    }

    /// Whether devices of somebody are looked at: the rule is for people of other cells.
    pub(super) fn concern(&self, user_id: &UserId) -> bool {
        self.withheld && self.users.localities().other_cell_of(user_id).is_some()
    }

    /// Leaves them out of an answer.
    pub(super) fn leave_out(&self, found: &mut Found) {
        if !self.withheld {
            return;
        }
        let concerned: Vec<_> = found.device_keys.keys().filter(|user_id| self.concern(user_id)).cloned().collect();
        for user_id in concerned {
            let master = found.master_keys.get(&user_id).map(|key| key.json().get());
            let own = found.self_signing_keys.get(&user_id).map(|key| key.json().get());
            let signer = Signer::of(&user_id, master, own);
            let Some(devices) = found.device_keys.get_mut(&user_id) else { continue };
            devices
                .retain(|_, keys| signer.as_ref().is_some_and(|signer| signer.has_signed(&user_id, keys.json().get())));
        }
    }
}

impl Signer {
    /// Somebody's self-signing key, if their master key has signed it.
    pub(super) fn of(user_id: &UserId, master: Option<&str>, self_signing: Option<&str>) -> Option<Self> {
        let (master, own) = (public_key(master?)?, self_signing?);
        let is_signed = signed::is_signed_by(&signed::object(own)?, user_id, &id_of(&master), &master);
        let public = public_key(own).filter(|_| is_signed)?;
        Some(Self { id: id_of(&public), public })
    }

    /// Whether it has signed a device.
    pub(super) fn has_signed(&self, user_id: &UserId, device: &str) -> bool {
        signed::object(device).is_some_and(|keys| signed::is_signed_by(&keys, user_id, &self.id, &self.public))
    }
}

fn id_of(public: &str) -> String {
    format!("ed25519:{public}")
}
