//! Messages to somebody's devices that wait for the cell that they have left: they go where their owner has gone.

use std::collections::HashMap;

use domicile_core::ids::{DestinationNum, DeviceNum};
use domicile_store::{
    Batch,
    numbers::Sequence,
    table::{outgoing_edus, to_device},
};
use ruma::{OwnedUserId, UserId};
use serde_json::{Map, Value, json};

use super::turn::Turner;
use crate::{Error, Result};

/// Messages that are looked through.
const LOOKED_AT: i64 = 10_000;

/// Where messages go instead.
#[derive(Clone, Copy)]
pub(super) enum Instead<'i> {
    /// To another cell.
    There(DestinationNum),
    /// Into the inboxes of the devices that have come here, by id.
    Here(&'i HashMap<String, i64>),
}

impl Turner {
    /// Adds to a batch that messages for somebody go somewhere else than where they wait for being sent to.
    pub(super) async fn redirect(
        &self,
        batch: &mut Batch,
        from: DestinationNum,
        user_id: &UserId,
        instead: Instead<'_>,
    ) -> Result<()> {
        let read =
            self.store.read(move |snapshot| async move { outgoing_edus::page(&snapshot, from, LOOKED_AT).await });
        for edu in read.await? {
            if edu.kind != outgoing_edus::DIRECT_TO_DEVICE || !edu.content.contains(user_id.as_str()) {
                continue;
            }
            let mut content: Value = serde_json::from_str(&edu.content).map_err(Error::internal)?;
            let messages = content.get_mut("messages").and_then(Value::as_object_mut);
            let Some(of_user) = messages.and_then(|messages| messages.remove(user_id.as_str())) else { continue };
            outgoing_edus::remove(batch, [edu.edu_num]);
            if content["messages"].as_object().is_some_and(|others| !others.is_empty()) {
                self.wait_for(batch, from, &content).await?;
            }
            match instead {
                Instead::There(to) => {
                    content["messages"] = json!({ user_id.as_str(): of_user });
                    self.wait_for(batch, to, &content).await?;
                }
                Instead::Here(devices) => deliver(batch, &content, of_user.as_object(), devices),
            }
        }
        Ok(())
    }

    async fn wait_for(&self, batch: &mut Batch, to: DestinationNum, content: &Value) -> Result<()> {
        let sender = content["sender"].as_str().and_then(|sender| OwnedUserId::try_from(sender).ok());
        let Some(sender) = sender else { return Ok(()) };
        let Some(sender_num) = self.users.num(&sender).await? else { return Ok(()) };
        let edu_num = self.store.number(Sequence::OutgoingEdu).await?;
        let (kind, position) = (outgoing_edus::DIRECT_TO_DEVICE, batch.position());
        outgoing_edus::insert(batch, edu_num, to, sender_num, kind, content.to_string(), position);
        Ok(())
    }
}

/// Puts messages into the inboxes of devices.
fn deliver(batch: &mut Batch, content: &Value, messages: Option<&Map<String, Value>>, devices: &HashMap<String, i64>) {
    for (target, message) in messages.into_iter().flatten() {
        let event = json!({ "content": message, "sender": content["sender"], "type": content["type"] }).to_string();
        for (_, device_num) in devices.iter().filter(|(id, _)| target == "*" || *id == target) {
            let position = batch.position();
            to_device::insert(batch, DeviceNum(*device_num), (position, 0), &event, None);
        }
    }
}
