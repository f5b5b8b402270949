//! `m.device_list_update` and `m.signing_key_update` (server-server, *Device Management* and *End-to-End Encryption*)

use std::collections::BTreeMap;

use domicile_core::locality::is_cell;
use domicile_store::table::{device_lists, users};
use ruma::{
    OwnedUserId,
    api::federation::transactions::edu::{DeviceListUpdateContent, SigningKeyUpdateContent},
};
use serde_json::value::RawValue;

use super::{Edus, Origin, Plan, is_of};
use crate::{
    Error, Result,
    e2ee::device_list_copies::{self, DeviceWord, Word},
};

/// What was told, by user and in its order.
#[derive(Default)]
pub(super) struct Words(BTreeMap<OwnedUserId, Vec<Word>>);

impl Words {
    /// Reads an `m.device_list_update`.
    pub(super) fn read_device(&mut self, origin: Origin<'_>, content: &RawValue) {
        let Ok(update) = serde_json::from_str::<DeviceListUpdateContent>(content.get()) else { return };
        if is_of(origin, &update.user_id) {
            let word = DeviceWord {
                device_id: update.device_id,
                stream_id: update.stream_id.into(),
                prev_ids: update.prev_id.into_iter().map(Into::into).collect(),
                deleted: update.deleted == Some(true),
                keys: update.keys,
                // Names of devices stay at home, also if another cell tells one.
                name: update.device_display_name.filter(|_| !is_cell(origin.name)),
            };
            self.0.entry(update.user_id).or_default().push(Word::Device(word));
        }
    }

    /// Reads an `m.signing_key_update`.
    pub(super) fn read_keys(&mut self, origin: Origin<'_>, content: &RawValue) {
        let Ok(update) = serde_json::from_str::<SigningKeyUpdateContent>(content.get()) else { return };
        if is_of(origin, &update.user_id) {
            let word = Word::Keys(update.master_key, update.self_signing_key);
            self.0.entry(update.user_id).or_default().push(word);
        }
    }
}

impl Edus {
    /// Adds to a plan what follows for the copies of those who share a room with somebody here.
    pub(super) async fn device_lists(&self, words: &Words, plan: &mut Plan) -> Result<()> {
        if words.0.is_empty() {
            return Ok(());
        }
        let wanted: Vec<OwnedUserId> = words.0.keys().cloned().collect();
        let known = self.0.store.read(move |snapshot| async move {
            let mut shared = Vec::new();
            for (user_num, user_id) in users::by_ids(&snapshot, wanted.iter().map(|id| id.as_str())).await? {
                if device_lists::is_shared(&snapshot, user_num).await? {
                    shared.push((user_num, OwnedUserId::try_from(user_id).map_err(Error::internal)?));
                }
            }
            device_list_copies::known(&snapshot, shared).await
        });
        for known in known.await? {
            let Some(words) = words.0.get(&known.user_id) else { continue };
            let heard = self.0.copies.hear(&mut plan.batch, &known, words);
            plan.stale |= heard.stale;
            if heard.changed {
                plan.changed.insert(known.user_num);
            }
        }
        Ok(())
    }
}
