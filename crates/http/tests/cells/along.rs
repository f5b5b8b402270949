//! What of rooms comes along with somebody who moves, where there is a copy at their new home already, and where they have left.

use domicile_app::moves::{State, Target};
use domicile_testkit::{cluster::Cluster, server::TestUser};
use serde_json::{Value, json};

use crate::{
    V3,
    moves::{at, finish, foreign, into, order, rows},
    read, say, shared, shared_of, until,
};

/// Rooms whose history is seen from when somebody came.
fn from_joining() -> Value {
    let visibility = json!({ "type": "m.room.history_visibility", "content": { "history_visibility": "joined" } });
    json!({ "initial_state": [visibility] })
}

/// Whether the messages of a room say something to somebody.
async fn says_something(by: &TestUser, room: &str) -> Vec<bool> {
    let page = by.get(&format!("{V3}/rooms/{room}/messages?dir=b&limit=100")).await.ok();
    let messages = page["chunk"].as_array().unwrap().iter().filter(|event| event["type"] == "m.room.encrypted");
    let mut said: Vec<bool> = messages.map(|event| event["content"]["ciphertext"].is_string()).collect();
    said.reverse();
    said
}

async fn invite_and_join(room: &str, by: &TestUser, whom: &TestUser) {
    by.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": whom.id() })).await.ok();
    whom.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
}

async fn leave(room: &str, who: &TestUser) {
    who.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_the_new_home_had_the_room_is_there_when_the_old_copy_goes() {
    let cluster = Cluster::of(&["eu", "ch"]).await.with_user("eu1", "alice").await.with_user("ch1", "bob").await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ch1", "bob"));
    let body = json!({ "preset": "private_chat" });
    let room = alice.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned();
    let mut said = Vec::new();
    for number in 0..130 {
        said.push(say(&alice, &room, &format!("early-{number}")).await);
    }
    invite_and_join(&room, &alice, &bob).await;
    said.push(say(&bob, &room, "late").await);
    until("alice reads bob", || async { read(&alice, &room).await == said }).await;

    into(&cluster, "eu1", &alice, "ch").await;
    // Nothing is fetched any more: it is here.
    cluster.cut();
    assert_eq!(read(&at(&cluster, "ch1", &alice), &room).await, said);
    assert_eq!(rows(&foreign(&cluster, "eu1").await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_later_finds_what_who_came_first_was_not_to_see() {
    let cluster = Cluster::of(&["eu", "ch"]).await.with_user("eu1", "alice").await.with_user("eu1", "carol").await;
    let (alice, carol) = (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"));
    let mut body = from_joining();
    body["preset"] = "private_chat".into();
    let room = alice.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned();
    let mut said = vec![say(&alice, &room, "one").await, say(&alice, &room, "two").await];
    // An answer in a thread: that it is one stands in its content.
    let reply = json!({ "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "three", "session_id": "s",
        "m.relates_to": { "rel_type": "m.thread", "event_id": said[0] } });
    let path = format!("{V3}/rooms/{room}/send/m.room.encrypted/three");
    said.push(alice.put(&path, &reply).await.ok()["event_id"].as_str().unwrap().to_owned());
    invite_and_join(&room, &alice, &carol).await;
    said.push(say(&carol, &room, "four").await);

    into(&cluster, "eu1", &carol, "ch").await;
    let carol_there = at(&cluster, "ch1", &carol);
    assert_eq!(read(&carol_there, &room).await, said[3..], "she sees what was said since she came");
    into(&cluster, "eu1", &alice, "ch").await;
    let alice_there = at(&cluster, "ch1", &alice);
    cluster.cut();
    assert_eq!(read(&alice_there, &room).await, said);
    assert_eq!(says_something(&alice_there, &room).await, [true; 4]);
    let path = format!("/_matrix/client/v1/rooms/{room}/relations/{}/m.thread", said[0]);
    let replies = alice_there.get(&path).await.ok();
    assert_eq!(replies["chunk"][0]["event_id"], said[2].as_str(), "{replies}");
    assert_eq!(read(&carol_there, &room).await, said[3..], "she sees no more than before");
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_that_somebody_has_left_come_along_up_to_their_leaving() {
    let cluster = Cluster::of(&["eu", "ch"]).await.with_user("eu1", "alice").await.with_user("eu1", "carol").await;
    let (alice, carol) = (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"));
    let (room, forgotten) = (shared(&alice, &carol).await, shared(&alice, &carol).await);
    let said = vec![say(&carol, &room, "one").await, say(&alice, &room, "two").await];
    leave(&room, &alice).await;
    say(&carol, &room, "behind-her-back").await;
    leave(&forgotten, &alice).await;
    alice.post(&format!("{V3}/rooms/{forgotten}/forget"), &json!({})).await.ok();
    // She was never in this one, and has nothing of it.
    let body = json!({ "preset": "private_chat", "invite": [alice.id()] });
    let declined = carol.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned();
    leave(&declined, &alice).await;

    let user_id = alice.user_id.clone().unwrap();
    let plan = cluster.cell("eu1").moves.plan(&user_id, &Target::Region("ch".to_owned())).await.unwrap();
    assert_eq!((plan.rooms.len(), plan.left_rooms, plan.kept_rooms.len()), (0, 1, 0), "{plan:#?}");
    into(&cluster, "eu1", &alice, "ch").await;
    // Those who stay go, too: the last copy of what was said is hers.
    leave(&room, &carol).await;
    cluster.cut();
    let there = at(&cluster, "ch1", &alice);
    assert_eq!(read(&there, &room).await, said);
    assert_eq!(says_something(&there, &room).await, [true; 2]);
    let filter = "%7B%22room%22%3A%7B%22include_leave%22%3Atrue%7D%7D";
    let sync = there.get(&format!("{V3}/sync?filter={filter}")).await.ok();
    let left = sync["rooms"]["leave"].as_object().unwrap();
    assert!(left.contains_key(&room) && !left.contains_key(&forgotten), "{left:?}");
    let rooms = &cluster.cell("ch1").services.sender.rooms();
    for room in [&forgotten, &declined] {
        assert!(rooms.num(room.as_str().try_into().unwrap()).await.unwrap().is_none(), "nothing of it is hers");
    }
    for cell in ["eu1", "ch1"] {
        let audit = foreign(&cluster, cell).await;
        assert_eq!(rows(&audit), 0, "{cell}: {audit:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_somebody_has_left_is_whole_where_others_came_later() {
    let cluster = Cluster::of(&["eu", "ch"]).await.with_user("eu1", "alice").await.with_user("eu1", "carol").await;
    let cluster = cluster.with_user("ch1", "bob").await;
    let (alice, carol, bob) = (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"), cluster.user("ch1", "bob"));
    let room = shared_of(&alice, &carol, from_joining()).await;
    let said = vec![say(&carol, &room, "one").await, say(&alice, &room, "two").await];
    leave(&room, &alice).await;
    say(&carol, &room, "behind-her-back").await;
    invite_and_join(&room, &carol, &bob).await;
    let last = say(&bob, &room, "late").await;
    until("carol reads bob", || async { read(&carol, &room).await.contains(&last) }).await;

    into(&cluster, "eu1", &alice, "ch").await;
    cluster.cut();
    let there = at(&cluster, "ch1", &alice);
    assert_eq!(read(&there, &room).await, said);
    assert_eq!(says_something(&there, &room).await, [true; 2]);
    assert_eq!(read(&bob, &room).await, [last], "he sees no more than before");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_later_brings_the_rest_of_a_room_of_which_there_is_an_old_copy() {
    let cluster = Cluster::of(&["eu", "ch"]).await.with_user("eu1", "alice").await.with_user("eu1", "carol").await;
    let cluster = cluster.with_user("eu1", "dave").await;
    let (alice, carol, dave) =
        (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"), cluster.user("eu1", "dave"));
    // One after the other, and both at once.
    for at_once in [false, true] {
        let room = shared(&alice, &carol).await;
        invite_and_join(&room, &alice, &dave).await;
        let mut said = vec![say(&carol, &room, "one").await];
        leave(&room, &alice).await;
        for (who, text) in [(&carol, "two"), (&dave, "three"), (&carol, "four")] {
            said.push(say(who, &room, text).await);
        }
        leave(&room, &carol).await;
        say(&dave, &room, "behind-their-backs").await;
        if at_once {
            let moves = &cluster.cell("eu1").moves;
            for who in [&alice, &carol] {
                moves.order(order(who, "ch")).await.unwrap();
            }
            for who in [&alice, &carol] {
                assert_eq!(finish(&cluster, "eu1", who).await.state, State::Done.word());
            }
        } else {
            into(&cluster, "eu1", &alice, "ch").await;
            into(&cluster, "eu1", &carol, "ch").await;
        }
        leave(&room, &dave).await;
        let (alice_there, carol_there) = (at(&cluster, "ch1", &alice), at(&cluster, "ch1", &carol));
        cluster.cut();
        assert_eq!(read(&carol_there, &room).await, said, "at once: {at_once}");
        assert_eq!(says_something(&carol_there, &room).await, [true; 4]);
        assert_eq!(read(&alice_there, &room).await, said[..1], "she sees no more than before");
        cluster.heal();
        if !at_once {
            // Back again, for the next round.
            into(&cluster, "ch1", &alice, "eu").await;
            into(&cluster, "ch1", &carol, "eu").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_left_room_comes_to_an_old_copy_with_which_it_does_not_hang_together() {
    let cluster = Cluster::of(&["eu", "ch", "us"]).await.with_user("eu1", "alice").await.with_user("ch1", "bob").await;
    let cluster = cluster.with_user("us1", "erin").await;
    let (alice, bob, erin) = (cluster.user("eu1", "alice"), cluster.user("ch1", "bob"), cluster.user("us1", "erin"));
    let room = shared_of(&erin, &bob, from_joining()).await;
    let early = say(&bob, &room, "early").await;
    leave(&room, &bob).await;
    until("erin sees that he has left", || async {
        let members = erin.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
        members["joined"].as_object().unwrap().len() == 1
    })
    .await;
    say(&erin, &room, "between").await;
    invite_and_join(&room, &erin, &alice).await;
    let said = vec![say(&alice, &room, "one").await, say(&alice, &room, "two").await];
    leave(&room, &alice).await;
    say(&erin, &room, "behind-her-back").await;

    into(&cluster, "eu1", &alice, "ch").await;
    cluster.cut();
    let there = at(&cluster, "ch1", &alice);
    assert_eq!(read(&there, &room).await, said);
    assert_eq!(says_something(&there, &room).await, [true; 2]);
    assert_eq!(read(&bob, &room).await, [early], "he sees no more than before");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_of_a_left_room_stays_where_the_rules_keep_it() {
    let cluster = Cluster::with_flow(&["eu", "ch"], "forbid").await.with_user("eu1", "alice").await;
    let cluster = cluster.with_user("eu1", "carol").await;
    let (alice, carol) = (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"));
    let room = shared(&alice, &carol).await;
    say(&carol, &room, "one").await;
    leave(&room, &alice).await;
    let moves = &cluster.cell("eu1").moves;
    let plan = moves.plan(alice.user_id.as_ref().unwrap(), &Target::Region("ch".to_owned())).await.unwrap();
    assert_eq!(plan.left_rooms, 0);
    assert_eq!(plan.kept_rooms.iter().map(|kept| kept.room_id.as_str()).collect::<Vec<_>>(), [room.as_str()]);
    moves.order(order(&alice, "ch")).await.unwrap();
    let done = finish(&cluster, "eu1", &alice).await;
    assert_eq!(done.state, State::Done.word(), "{done:#?}");
    assert_eq!((done.progress.kept_rooms.len(), done.progress.left_behind), (0, 1), "they are counted, not named");
    at(&cluster, "ch1", &alice).get(&format!("{V3}/rooms/{room}/messages?dir=b")).await.fails(403, "M_FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_shown_what_it_was_not_shown_where_it_was() {
    let cluster = Cluster::of(&["eu", "ch"]).await.with_user("eu1", "alice").await.with_user("eu1", "carol").await;
    let cluster = cluster.with_user("ch1", "bob").await;
    let (alice, carol, bob) = (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"), cluster.user("ch1", "bob"));
    let (room, quiet) = (shared(&alice, &bob).await, shared(&alice, &carol).await);
    let left = shared(&alice, &carol).await;
    let mut seen = vec![say(&alice, &room, "one").await];
    // In one order in both cells: of what is shown after it, nothing was seen before.
    until("bob reads alice", || async { read(&bob, &room).await == seen }).await;
    seen.push(say(&bob, &room, "two").await);
    say(&carol, &quiet, "hush").await;
    leave(&left, &alice).await;
    until("alice reads bob", || async { read(&alice, &room).await == seen }).await;
    let since = alice.get(&format!("{V3}/sync")).await.ok()["next_batch"].as_str().unwrap().to_owned();
    let mut new = vec![say(&bob, &room, "three").await];
    until("it is there", || async { read(&alice, &room).await.last() == new.last() }).await;

    into(&cluster, "eu1", &alice, "ch").await;
    new.push(say(&bob, &room, "four").await);
    let there = at(&cluster, "ch1", &alice);
    for more in ["", "&use_state_after=true"] {
        let sync = there.get(&format!("{V3}/sync?since={since}{more}")).await.ok();
        let timeline = &sync["rooms"]["join"][&room]["timeline"];
        let events = timeline["events"].as_array().unwrap().iter();
        let shown: Vec<&str> = events.map(|event| event["event_id"].as_str().unwrap()).collect();
        assert_eq!(shown, new, "{timeline}");
        assert_ne!(timeline["limited"], true, "{timeline}");
        let state = &sync["rooms"]["join"][&room][if more.is_empty() { "state" } else { "state_after" }];
        assert!(state["events"].as_array().is_none_or(Vec::is_empty), "{state}");
        let of_quiet = &sync["rooms"]["join"][&quiet];
        for part in ["timeline", "state", "state_after"] {
            assert!(of_quiet[part]["events"].as_array().is_none_or(Vec::is_empty), "{of_quiet}");
        }
        assert!(sync["rooms"]["leave"].get(&left).is_none(), "{}", sync["rooms"]["leave"]);
        let next = sync["next_batch"].as_str().unwrap();
        let sync = there.get(&format!("{V3}/sync?since={next}")).await.ok();
        assert!(sync["rooms"]["join"].as_object().is_none_or(serde_json::Map::is_empty), "{sync}");
    }
    // A client that was away for longer than the old home tells of is shown the end of a room, as after a gap.
    let sync = there.get(&format!("{V3}/sync")).await.ok();
    assert!(sync["rooms"]["join"].get(&quiet).is_some());
}
