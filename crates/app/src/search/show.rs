//! What is told of the events that a search found.

use std::collections::{BTreeMap, BTreeSet};

use domicile_store::Snapshot;
use ruma::OwnedUserId;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{ContextWanted, Found, FoundContext, SearchAnswer, SearchRequest, find::Hit};
use crate::{
    Error, Result,
    accounts::Session,
    rooms::{
        reader::{ContextRequest, RoomReaderParts},
        visibility::Eyes,
    },
    sync::filter::EventChoice,
};

/// The results, as the reader sees them.
pub(super) async fn show(
    parts: &RoomReaderParts,
    snapshot: &Snapshot,
    session: &Session,
    request: &SearchRequest,
    hits: Vec<Hit>,
) -> Result<SearchAnswer> {
    let mut answer = SearchAnswer::default();
    for hit in hits {
        let room_id = hit.room.info.room_id.clone();
        let mut eyes = parts.eyes(snapshot, &hit.room, session).await?;
        let mut shown =
            parts.present(snapshot, &hit.room, session, &mut eyes, std::slice::from_ref(&hit.event)).await?;
        let context = match request.context {
            Some(wanted) => Some(context(parts, snapshot, session, &mut eyes, &hit, wanted).await?),
            None => None,
        };
        if request.include_state && !answer.state.contains_key(&room_id) {
            answer.state.insert(room_id.clone(), state(parts, snapshot, session, &hit).await?);
        }
        answer.results.push(Found {
            rank: hit.rank,
            room_id,
            sender: hit.event.pdu.sender().to_owned(),
            event_id: hit.event.event_id().to_owned(),
            event: shown.pop().ok_or_else(|| Error::internal("an event is lost"))?,
            context,
        });
    }
    Ok(answer)
}

/// The state of a result's room that the reader sees; none for who sees events of it only.
async fn state(
    parts: &RoomReaderParts,
    snapshot: &Snapshot,
    session: &Session,
    hit: &Hit,
) -> Result<Vec<Box<RawValue>>> {
    let root = match parts.visible_state(snapshot, &hit.room, session).await {
        Err(Error::Matrix(_)) => return Ok(Vec::new()),
        other => other?,
    };
    let mut nums: Vec<_> = parts.trees.all(snapshot, root).await?.into_iter().map(|(_, num)| num).collect();
    nums.sort_unstable();
    let mut state = Vec::with_capacity(nums.len());
    for event in parts.events.load(snapshot, &nums).await? {
        state.push(parts.presenter.with_room(snapshot, &event, parts.reader(session)).await?);
    }
    Ok(state)
}

async fn context(
    parts: &RoomReaderParts,
    snapshot: &Snapshot,
    session: &Session,
    eyes: &mut Eyes,
    hit: &Hit,
    wanted: ContextWanted,
) -> Result<FoundContext> {
    let request = ContextRequest {
        before: wanted.before,
        after: wanted.after,
        choice: EventChoice::default(),
        lazy_members: false,
    };
    let around = parts.surroundings(snapshot, &hit.room, eyes, &hit.event, &request).await?;
    let mut profiles = BTreeMap::new();
    if wanted.profiles {
        let events = around.before.iter().chain(&around.after).chain([&hit.event]);
        let senders: BTreeSet<OwnedUserId> = events.map(|event| event.pdu.sender().to_owned()).collect();
        profiles = names(parts, snapshot, hit, senders).await?;
    }
    let before = parts.present(snapshot, &hit.room, session, eyes, &around.before).await?;
    let after = parts.present(snapshot, &hit.room, session, eyes, &around.after).await?;
    Ok(FoundContext { before, after, start: around.start, end: around.end, profiles })
}

/// What users called themselves when an event was sent.
async fn names(
    parts: &RoomReaderParts,
    snapshot: &Snapshot,
    hit: &Hit,
    users: BTreeSet<OwnedUserId>,
) -> Result<BTreeMap<OwnedUserId, (Option<String>, Option<String>)>> {
    #[derive(Deserialize)]
    struct Content {
        displayname: Option<String>,
        avatar_url: Option<String>,
    }
    let mut names = BTreeMap::new();
    let nums = parts.members_of(snapshot, hit.event.state_before, users).await?;
    for event in parts.events.load(snapshot, &nums).await? {
        let user_id = event.pdu.state_key().and_then(|key| OwnedUserId::try_from(key).ok());
        if let (Some(user_id), Some(content)) = (user_id, event.pdu.content_as::<Content>()) {
            names.insert(user_id, (content.displayname, content.avatar_url));
        }
    }
    Ok(names)
}
