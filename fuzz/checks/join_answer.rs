//! Whatever bytes a server answers with when one joins through it: a bounded number of events of the room, each once.

use std::collections::HashSet;

use domicile_room::event::receive;
use domicile_room::event::template::{Template, Wanted};
use ruma::api::federation::membership::create_join_event::v2::RoomState;
use ruma::events::room::member::MembershipState;
use ruma::{RoomVersionId, room_id, user_id};
use serde_json::Map;

/// Events of a list at most, here.
const MOST: usize = 1_000;

/// The first byte chooses the version of the room; the rest is the answer, or not: the draft, or the room's state.
pub fn run(data: &[u8]) {
    let [version, body @ ..] = data else { return };
    let version = 1 + version % 12;
    let Some(rules) = RoomVersionId::try_from(version.to_string()).ok().and_then(|version| version.rules()) else {
        return;
    };
    let room_id = room_id!("!r:example.org");
    for membership in [MembershipState::Join, MembershipState::Leave, MembershipState::Knock] {
        let wanted = Wanted { room_id, user_id: user_id!("@alice:example.org"), membership, content: Map::new() };
        let _ = Template::read(body, &wanted, 1, &rules);
    }
    let Ok(answer) = serde_json::from_slice::<RoomState>(body) else { return };
    for list in [&answer.auth_chain, &answer.state] {
        let Ok(many) = receive::read_many(list.iter().map(AsRef::as_ref), MOST, room_id, &rules) else { continue };
        assert_eq!(many.events.iter().filter(|event| !event.is_of(room_id)).count(), 0, "an event of another room");
        let ids: HashSet<_> = many.events.iter().map(receive::Unverified::event_id).collect();
        assert_eq!(ids.len(), many.events.len(), "an event is there twice");
    }
    if let Some(event) = &answer.event {
        let _ = receive::read(event.get().as_bytes(), &rules);
    }
}
