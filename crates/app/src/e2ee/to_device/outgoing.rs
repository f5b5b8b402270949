//! Messages to devices of other servers' users: one `m.direct_to_device` for each server, more where they are large (server-server, *Send-to-device
//! messaging*).

use std::collections::BTreeMap;

use domicile_core::{
    error::ErrorKind,
    ids::{DestinationNum, UserNum},
};
use domicile_store::{Batch, Value, numbers::Sequence, table::outgoing_edus};
use ruma::{OwnedUserId, UserId, events::ToDeviceEventType};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{ToDevice, delivery::OfUser};
use crate::{Error, Result, accounts::Session};

/// Other servers that one request may reach.
const DESTINATIONS: usize = 1_000;
/// Bytes of messages after which another EDU is begun.
const EDU_BYTES: usize = 60_000;

/// An EDU that waits for its destination.
pub(super) struct Outgoing {
    edu_num: i64,
    pub(super) destination_num: DestinationNum,
    content: String,
}

/// The content of an `m.direct_to_device`.
#[derive(Serialize)]
struct Content<'a> {
    message_id: &'a str,
    messages: &'a Part<'a>,
    sender: &'a UserId,
    #[serde(rename = "type")]
    kind: &'a str,
}

/// The messages of one EDU by user and device.
type Part<'a> = BTreeMap<&'a UserId, BTreeMap<String, &'a RawValue>>;

impl Outgoing {
    pub(super) fn insert(&self, batch: &mut Batch, sender: UserNum, position: Value) {
        let content = self.content.clone();
        let kind = outgoing_edus::DIRECT_TO_DEVICE;
        outgoing_edus::insert(batch, self.edu_num, self.destination_num, sender, kind, content, position);
    }
}

impl ToDevice {
    /// The EDUs of messages to other servers' users.
    pub(super) async fn outgoing(
        &self,
        session: &Session,
        kind: &ToDeviceEventType,
        messages: Vec<(&OwnedUserId, &OfUser)>,
    ) -> Result<Vec<Outgoing>> {
        let mut parts: BTreeMap<DestinationNum, Vec<Part<'_>>> = BTreeMap::new();
        let mut bytes: BTreeMap<DestinationNum, usize> = BTreeMap::new();
        let users: Vec<&UserId> = messages.iter().map(|(user_id, _)| &***user_id).collect();
        self.users.localities().meet(&users).await?;
        let mut servers: Vec<_> =
            messages.iter().map(|(user_id, _)| self.users.localities().peer_of(user_id)).collect();
        servers.sort_unstable();
        servers.dedup();
        if servers.len() > DESTINATIONS {
            let text = format!("A request reaches at most {DESTINATIONS} other servers.");
            return Err(ErrorKind::TooLarge.with(text).into());
        }
        for (user_id, of_user) in messages {
            let Some(destination_num) = self.destinations.of_user(user_id).await? else { continue };
            let of_destination = parts.entry(destination_num).or_default();
            let size = bytes.entry(destination_num).or_default();
            for (device, content) in of_user {
                if of_destination.is_empty() || *size + content.json().get().len() > EDU_BYTES {
                    of_destination.push(Part::new());
                    *size = 0;
                }
                *size += content.json().get().len();
                if let Some(part) = of_destination.last_mut() {
                    part.entry(user_id).or_default().insert(device.to_string(), content.json());
                }
            }
        }
        let count = parts.values().map(Vec::len).sum::<usize>();
        if count == 0 {
            return Ok(Vec::new());
        }
        let first = self.store.numbers_in_a_row(Sequence::OutgoingEdu, count).await?;
        let parts =
            parts.iter().flat_map(|(destination_num, parts)| parts.iter().map(move |part| (*destination_num, part)));
        let (sender, kind) = (&session.user_id, kind.to_string());
        (first..)
            .zip(parts)
            .map(|(edu_num, (destination_num, messages))| {
                let message_id = format!("{}{edu_num}", self.incarnation);
                let content = Content { message_id: &message_id, messages, sender, kind: &kind };
                let content = serde_json::to_string(&content).map_err(Error::internal)?;
                Ok(Outgoing { edu_num, destination_num, content })
            })
            .collect()
    }
}
