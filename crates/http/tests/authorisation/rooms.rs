//! What is under `{roomId}` is for the room's members: strangers, the invited, those who left and the banned try it.

use domicile_testkit::{
    operations::{self, Operation, Values, Who},
    server::{TestServer, TestUser},
};
use serde_json::{Value, json};

use super::{V3, call, outcome};

/// Who is outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outsider {
    Stranger,
    Invited,
    Left,
    Banned,
}
use Outsider::{Banned, Invited, Left, Stranger};

const OUTSIDERS: [Outsider; 4] = [Stranger, Invited, Left, Banned];

/// What who is outside may do all the same, and why.
const MAY: &[(&str, &[Outsider], &str)] = &[
    ("joinRoom", &[Invited], "an invite is there to be taken"),
    ("joinRoomById", &[Invited], "an invite is there to be taken"),
    ("leaveRoom", &[Invited, Left], "an invite can be refused; leaving twice does nothing"),
    ("forgetRoom", &[Left, Banned], "who has left may forget"),
    ("getRoomEvents", &[Left, Banned], "who was a member reads what was said until they went"),
    ("getOneRoomEvent", &[Left, Banned], "as above"),
    ("getEventContext", &[Left, Banned], "as above"),
    ("getEventByTimestamp", &[Left, Banned], "as above"),
    ("getRelatingEvents", &[Left, Banned], "as above"),
    ("getRelatingEventsWithRelType", &[Left, Banned], "as above"),
    ("getRelatingEventsWithRelTypeAndEventType", &[Left, Banned], "as above"),
    ("getThreadRoots", &[Left, Banned], "as above"),
    ("getRoomState", &[Left, Banned], "as it was when they went"),
    ("getRoomStateWithKey", &[Left, Banned], "as it was when they went"),
    ("getMembersByRoom", &[Left, Banned], "as it was when they went"),
    ("roomInitialSync", &[Left, Banned], "as it was when they went"),
    ("getRoomSummary", &[Invited], "who is invited may see to what"),
    ("getSpaceHierarchy", &[Invited], "who is invited may see to what"),
    ("reportRoom", &OUTSIDERS, "the specification lets anybody report a room"),
    ("getAccountDataPerRoom", &OUTSIDERS, "a note of one's own about a room"),
    ("setAccountDataPerRoom", &OUTSIDERS, "a note of one's own about a room"),
    ("getRoomTags", &OUTSIDERS, "a note of one's own about a room"),
    ("setRoomTag", &OUTSIDERS, "a note of one's own about a room"),
    ("deleteRoomTag", &OUTSIDERS, "a note of one's own about a room"),
];

/// What even a member cannot do in the room of these tests: the answer, and why.
const NOT_EVEN_A_MEMBER: &[(&str, u16, &str)] = &[
    ("knockRoom", 403, "who is in does not knock"),
    ("forgetRoom", 400, "leave first"),
    ("getAccountDataPerRoom", 404, "nothing was noted"),
];

fn may(operation: &str, outsider: Outsider) -> bool {
    MAY.iter().any(|(name, outsiders, _)| *name == operation && outsiders.contains(&outsider))
}

/// A room of alice's with one of each outsider, and carol as the operation's target.
struct Scene<'a> {
    server: &'a TestServer,
    room: String,
    /// A message that everybody saw who was a member.
    event: String,
}

impl<'a> Scene<'a> {
    async fn new(server: &'a TestServer, operation: &str) -> Self {
        let alice = server.user("alice");
        let invited: Vec<Value> =
            ["invited", "left", "banned", "carol"].iter().map(|name| json!(server.user(name).id())).collect();
        let invited = if operation == "inviteUser" { &invited[..3] } else { &invited[..] };
        let made = alice.post(&format!("{V3}/createRoom"), &json!({ "invite": invited })).await.ok();
        let room = made["room_id"].as_str().unwrap().to_owned();
        for who in ["left", "banned"] {
            server.user(who).post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
        }
        let event = say(&alice, &room, "for all who are here").await;
        server.user("left").post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
        let ban = json!({ "user_id": server.user("banned").id() });
        alice.post(&format!("{V3}/rooms/{room}/ban"), &ban).await.ok();
        if operation == "unban" {
            let ban = json!({ "user_id": server.user("carol").id() });
            alice.post(&format!("{V3}/rooms/{room}/ban"), &ban).await.ok();
        }
        say(&alice, &room, "for those who stayed").await;
        Self { server, room, event }
    }

    fn outsider(&self, outsider: Outsider) -> TestUser {
        self.server.user(match outsider {
            Stranger => "stranger",
            Invited => "invited",
            Left => "left",
            Banned => "banned",
        })
    }

    fn values(&self, by: &TestUser) -> Values {
        let mut values = operations::values(by.id(), &by.device_id, &self.room, &self.event);
        values.insert("other", self.server.user("carol").id().to_owned());
        // A state event that is there, so that it can be read.
        values.insert("eventType", "m.room.history_visibility".to_owned());
        values
    }
}

async fn say(by: &TestUser, room: &str, text: &str) -> String {
    let path = format!("{V3}/rooms/{room}/send/m.room.message/{}", text.replace(' ', "-"));
    let said = by.put(&path, &json!({ "msgtype": "m.text", "body": text })).await.ok();
    said["event_id"].as_str().unwrap().to_owned()
}

async fn people() -> TestServer {
    let mut server = TestServer::start().await;
    for name in ["alice", "carol", "stranger", "invited", "left", "banned"] {
        server = server.with_user(name).await;
    }
    server
}

/// The operations that this is about. A key backup is the caller's own, whatever rooms it names.
fn in_rooms() -> impl Iterator<Item = Operation> {
    operations::served().into_iter().filter(|operation| {
        let in_room = operation.has("roomId") || operation.has("roomIdOrAlias");
        in_room && operation.who != Who::Anybody && !operation.path.contains("/room_keys/")
    })
}

#[tokio::test]
async fn who_is_outside_stays_outside() {
    let server = people().await;
    let mut tested = 0;
    for operation in in_rooms() {
        let name = operation.name.as_str();
        let scene = Scene::new(&server, name).await;
        let before = server.contents().await;
        for outsider in OUTSIDERS.into_iter().filter(|outsider| !may(name, *outsider)) {
            let by = scene.outsider(outsider);
            let told = outcome(&call(&by, &operation, &scene.values(&by)).await);
            let refused = told == (403, "M_FORBIDDEN".to_owned())
                || told == (404, "M_NOT_FOUND".to_owned())
                || (name, outsider, told.0) == ("forgetRoom", Invited, 400);
            assert!(refused, "{name} by one who is {outsider:?}: {told:?}");
            assert_eq!(before.difference(&server.contents().await), "", "{name} by one who is {outsider:?}");
        }
        let alice = server.user("alice");
        let told = outcome(&call(&alice, &operation, &scene.values(&alice)).await);
        let expected =
            NOT_EVEN_A_MEMBER.iter().find(|(known, ..)| *known == name).map_or(200, |(_, status, _)| *status);
        assert_eq!(told.0, expected, "{name} by a member: {told:?}");
        for outsider in OUTSIDERS.into_iter().filter(|outsider| may(name, *outsider)) {
            let by = scene.outsider(outsider);
            let told = outcome(&call(&by, &operation, &scene.values(&by)).await);
            let nothing_noted = name == "getAccountDataPerRoom" && told.0 == 404;
            assert!(told.0 == 200 || nothing_noted, "{name} by one who is {outsider:?} and may: {told:?}");
        }
        tested += 1;
    }
    assert!(tested > 20, "only {tested} operations on rooms");
}

#[tokio::test]
async fn who_has_gone_reads_what_was_said_until_then() {
    let server = people().await;
    let scene = Scene::new(&server, "").await;
    let room = &scene.room;
    let alice = server.user("alice");
    alice.put(&format!("{V3}/rooms/{room}/state/m.room.topic/"), &json!({ "topic": "not for them" })).await.ok();
    server.user("carol").post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let later = say(&alice, room, "a last word").await;
    for outsider in [Left, Banned] {
        let by = scene.outsider(outsider);
        for direction in ["b", "f"] {
            let page = by.get(&format!("{V3}/rooms/{room}/messages?dir={direction}&limit=100")).await.ok().to_string();
            assert!(page.contains("for all who are here"), "{outsider:?} {direction}");
            assert!(
                !page.contains("for those who stayed") && !page.contains("a last word"),
                "{outsider:?} {direction}"
            );
            assert!(!page.contains("not for them"), "{outsider:?} {direction}");
        }
        by.get(&format!("{V3}/rooms/{room}/event/{later}")).await.fails(404, "M_NOT_FOUND");
        let state = by.get(&format!("{V3}/rooms/{room}/state")).await.ok().to_string();
        assert!(!state.contains("not for them"), "{outsider:?}");
        assert!(
            by.get(&format!("{V3}/rooms/{room}/state/m.room.topic/")).await.status.is_client_error(),
            "{outsider:?}"
        );
        let members = by.get(&format!("{V3}/rooms/{room}/members")).await.ok();
        let carol =
            |event: &&Value| event["state_key"] == "@carol:localhost" && event["content"]["membership"] == "join";
        assert!(members["chunk"].as_array().unwrap().iter().find(carol).is_none(), "{outsider:?}");
        let synced = by.get(&format!("{V3}/sync")).await.ok().to_string();
        assert!(!synced.contains("not for them") && !synced.contains("a last word"), "{outsider:?}");
    }
}

#[tokio::test]
async fn rooms_that_are_not_there_are_not_told_from_those_that_are_hidden() {
    let server = people().await;
    let stranger = server.user("stranger");
    let before = server.contents().await;
    for operation in in_rooms() {
        for room in ["!nothing:localhost", "!nothing:elsewhere.example", "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM"]
        {
            let values = operations::values(stranger.id(), &stranger.device_id, room, "$event");
            let told = outcome(&call(&stranger, &operation, &values).await);
            let noted = may(&operation.name, Stranger) && operation.path.contains("/user/") && told.0 == 200;
            // A room that names another server is asked for there.
            let elsewhere = room.ends_with(":elsewhere.example") && told == (502, "M_UNKNOWN".to_owned());
            let refused = matches!(told.0, 403 | 404) && !told.1.is_empty() && told.1 != "M_UNRECOGNIZED";
            assert!(refused || noted || elsewhere, "{} in {room}: {told:?}", operation.name);
        }
    }
    assert_eq!(before.difference(&server.contents().await), "");
}

/// Rooms and events that stand elsewhere than in the path as a room.
#[tokio::test]
async fn what_is_said_in_a_room_is_found_from_outside_by_no_other_way() {
    let server = people().await;
    let scene = Scene::new(&server, "").await;
    let (room, event) = (&scene.room, &scene.event);
    let search = json!({ "search_categories": { "room_events": { "search_term": "here" } } });
    let in_room = json!({ "search_categories": { "room_events": {
        "search_term": "here", "filter": { "rooms": [room] }, "event_context": { "before_limit": 5, "after_limit": 5 },
    } } });
    for outsider in [Stranger, Invited] {
        let by = scene.outsider(outsider);
        for (path, body) in [
            (format!("{V3}/events?room_id={room}&timeout=0"), None),
            (format!("{V3}/events/{event}"), None),
            (format!("{V3}/initialSync?limit=50"), None),
            (format!("{V3}/notifications?limit=50"), None),
            (format!("{V3}/search"), Some(&search)),
            (format!("{V3}/search"), Some(&in_room)),
        ] {
            let told = match body {
                Some(body) => by.post(&path, body).await,
                None => by.get(&path).await,
            };
            assert!(!String::from_utf8_lossy(&told.bytes).contains("for all who are here"), "{outsider:?}: {path}");
            assert!(told.status.as_u16() < 500, "{outsider:?}: {path}");
        }
    }
    // The same questions have an answer, for who is in.
    let alice = server.user("alice");
    let read = alice.get(&format!("{V3}/rooms/{room}/event/{event}")).await.ok();
    assert_eq!(read["content"]["body"], "for all who are here");
    let synced = alice.get(&format!("{V3}/initialSync?limit=50")).await;
    assert!(synced.status == 404 || synced.ok().to_string().contains("for all who are here"));
}
