//! What a server tells of changes of its users' devices and keys, and what follows for the copy here. Nothing in this file touches a database.

use domicile_store::table::device_list_copies::DeviceListCopy;
use ruma::{
    OwnedDeviceId, UserId,
    encryption::{CrossSigningKey, DeviceKeys},
    serde::Raw,
};

use super::{List, list};

/// One word of a user's server.
#[derive(Clone, Debug)]
pub enum Word {
    /// `m.device_list_update`
    Device(DeviceWord),
    /// `m.signing_key_update`: the master key and the self-signing key, as far as they changed.
    Keys(Option<Raw<CrossSigningKey>>, Option<Raw<CrossSigningKey>>),
}

/// A change of one device.
#[derive(Clone, Debug)]
pub struct DeviceWord {
    /// The device.
    pub device_id: OwnedDeviceId,
    /// The version of the list with this change.
    pub stream_id: i64,
    /// The versions that it follows.
    pub prev_ids: Vec<i64>,
    /// Whether the device is gone.
    pub deleted: bool,
    /// Its keys, if it has any.
    pub keys: Option<Raw<DeviceKeys>>,
    /// Its name.
    pub name: Option<String>,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was known.
    Nothing,
    /// Something is missing, or cannot be right: the list is to be fetched.
    Stale,
    /// The list with the changes.
    Applied {
        /// The list.
        list: List,
        /// Its version.
        stream_id: Option<i64>,
        /// The revision of the copy that was changed.
        revision: i64,
    },
}

/// Applies the words of one transaction in their order.
pub(super) fn apply(copy: Option<&DeviceListCopy>, known: &List, user_id: &UserId, words: &[Word]) -> Outcome {
    // Without a whole copy there is nothing to which a change could be applied.
    let Some(copy) = copy.filter(|copy| !copy.is_stale && copy.fetched_ts.is_some()) else { return Outcome::Stale };
    let mut list = known.clone();
    let mut stream_id = copy.stream_id;
    let mut changed = false;
    for word in words {
        let fits = match word {
            Word::Device(word) if stream_id == Some(word.stream_id) => continue,
            Word::Device(word) => {
                let follows = !word.prev_ids.is_empty() && word.prev_ids.iter().all(|prev| stream_id == Some(*prev));
                stream_id = Some(word.stream_id);
                follows && apply_device(&mut list, user_id, word)
            }
            Word::Keys(master, self_signing) => list.set_keys(user_id, master.as_ref(), self_signing.as_ref()),
        };
        if !fits {
            return Outcome::Stale;
        }
        changed = true;
    }
    if changed { Outcome::Applied { list, stream_id, revision: copy.revision } } else { Outcome::Nothing }
}

fn apply_device(list: &mut List, user_id: &UserId, word: &DeviceWord) -> bool {
    match &word.keys {
        Some(keys) if !word.deleted => list.set_device(user_id, &word.device_id, keys, word.name.as_deref()),
        // A device without keys is of no use to who encrypts.
        _ => {
            list.devices.remove(word.device_id.as_str());
            list::is_device_id(&word.device_id)
        }
    }
}

#[cfg(test)]
mod tests;
