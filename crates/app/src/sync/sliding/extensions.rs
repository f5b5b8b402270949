//! What an answer says beside rooms: to-device messages, keys, account data, receipts, typing.

use std::collections::BTreeMap;

use domicile_core::ids::Position;
use domicile_store::table::sync::{self as table, RoomOfUser};
use ruma::OwnedRoomId;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Round, lists::Details};
use crate::{
    Error, Result,
    e2ee::{device_lists, one_time_keys},
    sync::{
        answer::{DeviceListAnswer, Ready},
        room::{receipt_event, typing},
    },
};

/// The extensions.
#[derive(Debug, Default, Serialize)]
pub struct Extensions {
    /// The inbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_device: Option<ToDevice>,
    /// Keys and device lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e2ee: Option<E2ee>,
    /// The user's own data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_data: Option<AccountData>,
    /// Receipts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipts: Option<ByRoom>,
    /// Typing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typing: Option<ByRoom>,
}

/// The inbox.
#[derive(Debug, Default, Serialize)]
pub struct ToDevice {
    /// The next `since` of the extension.
    pub next_batch: String,
    /// The messages.
    pub events: Vec<Ready>,
}

/// Keys and device lists.
#[derive(Debug, Default, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are the protocol's")]
pub struct E2ee {
    device_lists: DeviceListAnswer,
    device_one_time_keys_count: BTreeMap<String, u64>,
    device_unused_fallback_key_types: Vec<String>,
}

/// The user's own data.
#[derive(Debug, Default, Serialize)]
pub struct AccountData {
    global: Vec<Ready>,
    rooms: BTreeMap<OwnedRoomId, Vec<Ready>>,
}

/// One event a room.
#[derive(Debug, Default, Serialize)]
pub struct ByRoom {
    rooms: BTreeMap<OwnedRoomId, Ready>,
}

impl Extensions {
    /// Whether nothing in them is worth an answer.
    pub fn is_empty(&self) -> bool {
        self.to_device.as_ref().is_none_or(|part| part.events.is_empty())
            && self
                .e2ee
                .as_ref()
                .is_none_or(|part| part.device_lists.changed.is_empty() && part.device_lists.left.is_empty())
            && self.account_data.as_ref().is_none_or(|part| part.global.is_empty() && part.rooms.is_empty())
            && self.receipts.as_ref().is_none_or(|part| part.rooms.is_empty())
            && self.typing.as_ref().is_none_or(|part| part.rooms.is_empty())
    }
}

/// Fills in what was asked for, but for the inbox.
pub(super) async fn fill(round: &Round<'_>, chosen: &[(RoomOfUser, Details)], answer: &mut Extensions) -> Result<()> {
    let asked = &round.request.extensions;
    if asked.e2ee.enabled == Some(true) {
        answer.e2ee = Some(e2ee(round).await?);
    }
    if asked.account_data.enabled == Some(true) {
        answer.account_data = Some(account_data(round).await?);
    }
    let since = round.since.unwrap_or(Position::START);
    let (mut receipts, mut typings) = (ByRoom::default(), ByRoom::default());
    for (row, _) in chosen.iter().filter(|(row, _)| row.membership == "join") {
        let info = round.parts.events.room_info(&round.snapshot, row.room_num).await?;
        if asked.receipts.enabled == Some(true) {
            let from = if row.turned_position > since { Position::START } else { since };
            let range = (from, round.upto);
            let reader = round.session.user_num;
            if let Some(event) =
                receipt_event(round.parts, &round.snapshot, row.room_num, reader, range, &round.ignored).await?
            {
                receipts.rooms.insert(info.room_id.clone(), event);
            }
        }
        if asked.typing.enabled == Some(true)
            && let Some(event) =
                typing(round.parts, &round.snapshot, row.room_num, round.typing_since, &round.ignored).await?
        {
            typings.rooms.insert(info.room_id.clone(), event);
        }
    }
    answer.receipts = (asked.receipts.enabled == Some(true)).then_some(receipts);
    answer.typing = (asked.typing.enabled == Some(true)).then_some(typings);
    Ok(())
}

async fn e2ee(round: &Round<'_>) -> Result<E2ee> {
    let (snapshot, session) = (&round.snapshot, round.session);
    let mut answer = E2ee::default();
    if let Some(since) = round.since {
        let changes = device_lists::changes_since(snapshot, session.user_num, since).await?;
        for user_num in changes.changed {
            answer.device_lists.changed.push(round.parts.users.load_id(snapshot, user_num).await?);
        }
        for user_num in changes.left {
            answer.device_lists.left.push(round.parts.users.load_id(snapshot, user_num).await?);
        }
    }
    let device_id = session.device_id.as_str();
    let counts = one_time_keys::one_time_key_counts(snapshot, session.user_num, device_id).await?;
    answer.device_one_time_keys_count =
        counts.into_iter().map(|(algorithm, count)| (algorithm.to_string(), u64::from(count))).collect();
    let unused = one_time_keys::unused_fallback_types(snapshot, session.user_num, device_id).await?;
    answer.device_unused_fallback_key_types = unused.into_iter().map(|algorithm| algorithm.to_string()).collect();
    Ok(answer)
}

async fn account_data(round: &Round<'_>) -> Result<AccountData> {
    let since = round.since.unwrap_or(Position::START);
    let mut answer = AccountData::default();
    for (room_num, kind, content) in
        table::account_data(&round.snapshot, round.session.user_num, since, round.upto).await?
    {
        if round.since.is_none() && content == "{}" {
            continue;
        }
        let event = format!("{{\"content\":{content},\"type\":{}}}", serde_json::Value::from(kind));
        let event = RawValue::from_string(event).map_err(Error::internal)?;
        if room_num.0 == 0 {
            answer.global.push(event);
        } else {
            let info = round.parts.events.room_info(&round.snapshot, room_num).await?;
            answer.rooms.entry(info.room_id.clone()).or_default().push(event);
        }
    }
    Ok(answer)
}
