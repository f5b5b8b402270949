//! What happens to somebody while they move: what they begin while things are copied, what an operator does to them after they were let go, and who
//! invites them then.

use std::sync::Arc;

use domicile_app::{
    accounts::lifecycle::EndSessions,
    evidence::access_log::Operator,
    moves::{Forbidden, Order, Shown, State},
};
use domicile_testkit::{cluster::Cluster, server::TestUser};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::{
    V3,
    media::{SECRET, ciphertext, download, upload},
    moves::{at, finish, foreign, order, rows},
    read, say, shared, until,
};

/// Alice and carol in the first of two cells; alice has a room with carol and a file.
async fn ready() -> (Cluster, TestUser, TestUser, String, String) {
    let cluster = Cluster::of(&["eu", "ch"]).await.with_user("eu1", "alice").await.with_user("eu1", "carol").await;
    let (alice, carol) = (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"));
    let room = shared(&alice, &carol).await;
    let file = upload(&alice, SECRET, ciphertext(1_000)).await;
    (cluster, alice, carol, room, file)
}

/// Begins a move, and waits until all that there is has been copied. Whoever holds the moves keeps it there.
async fn copied(cluster: &Cluster, alice: &TestUser) -> JoinHandle<domicile_app::Result<Shown>> {
    let (moves, user_id) = (Arc::clone(&cluster.cell("eu1").moves), alice.user_id.clone().unwrap());
    moves.order(order(alice, "ch")).await.unwrap();
    let step = {
        let (moves, user_id) = (Arc::clone(&moves), user_id.clone());
        tokio::spawn(async move { moves.step_of(&user_id).await })
    };
    until("the file is there", || async {
        let shown = moves.of_user(&user_id).await.unwrap().unwrap();
        shown.progress.media.done == 1
    })
    .await;
    step
}

async fn let_go(cluster: &Cluster, alice: &TestUser) {
    let moves = &cluster.cell("eu1").moves;
    moves.order(order(alice, "ch")).await.unwrap();
    let shown = moves.step_of(alice.user_id.as_ref().unwrap()).await.unwrap();
    assert_eq!(shown.state, State::HandedOver.word(), "{shown:#?}");
}

/// Whether a file is what was uploaded.
async fn has_file(by: &TestUser, place: &str, length: usize) {
    let answer = download(by, place).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    assert_eq!(answer.bytes, ciphertext(length));
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_and_files_that_begin_while_things_are_copied_come_along() {
    let (cluster, alice, carol, room, file) = ready().await;
    let body = json!({ "preset": "private_chat", "invite": [alice.id()] });
    let entered = carol.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned();
    let mut said = vec![say(&carol, &entered, "early").await];
    let left = shared(&carol, &alice).await;
    let said_before_leaving = vec![say(&carol, &left, "before").await];

    let held = cluster.cell("eu1").moves.hold().await.unwrap();
    let step = copied(&cluster, &alice).await;
    let made = alice.post(&format!("{V3}/createRoom"), &json!({})).await.ok()["room_id"].as_str().unwrap().to_owned();
    let said_alone = vec![say(&alice, &made, "alone").await];
    alice.post(&format!("{V3}/join/{entered}"), &json!({})).await.ok();
    said.push(say(&alice, &entered, "late").await);
    alice.post(&format!("{V3}/rooms/{left}/leave"), &json!({})).await.ok();
    let files = [upload(&alice, SECRET, ciphertext(2_000)).await, upload(&alice, SECRET, ciphertext(3_000)).await];
    drop(held);
    let shown = step.await.unwrap().unwrap();
    assert_eq!(shown.state, State::HandedOver.word(), "{shown:#?}");
    let done = finish(&cluster, "eu1", &alice).await;
    assert_eq!(done.state, State::Done.word(), "{done:#?}");
    let arrived = done.progress.arrived.as_ref().unwrap();
    assert!(arrived.same && arrived.left_out == 0 && arrived.absent.is_empty(), "{arrived:#?}");

    let there = at(&cluster, "ch1", &alice);
    let joined = there.get(&format!("{V3}/joined_rooms")).await.ok();
    let mut joined: Vec<&str> =
        joined["joined_rooms"].as_array().unwrap().iter().filter_map(|id| id.as_str()).collect();
    joined.sort_unstable();
    let mut expected = [room.as_str(), made.as_str(), entered.as_str()];
    expected.sort_unstable();
    assert_eq!(joined, expected);
    cluster.cut();
    assert_eq!(read(&there, &made).await, said_alone, "the only copy of it is here now");
    assert_eq!(read(&there, &left).await, said_before_leaving, "what she has left meanwhile came along, too");
    has_file(&there, &file, 1_000).await;
    has_file(&there, &files[0], 2_000).await;
    has_file(&there, &files[1], 3_000).await;
    cluster.heal();
    until("she reads all of the room that she entered", || async { read(&there, &entered).await == said }).await;
    assert_eq!(rows(&foreign(&cluster, "eu1").await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_comes_along_in_a_moment_is_brought_while_they_go_on() {
    let (cluster, alice, _, _, file) = ready().await;
    let held = cluster.cell("eu1").moves.hold().await.unwrap();
    let step = copied(&cluster, &alice).await;
    let mut files = vec![(file, 1_000)];
    for length in 2_000..2_030 {
        files.push((upload(&alice, SECRET, ciphertext(length)).await, length));
    }
    let mut rooms = Vec::new();
    for _ in 0..6 {
        let made = alice.post(&format!("{V3}/createRoom"), &json!({})).await.ok();
        rooms.push(made["room_id"].as_str().unwrap().to_owned());
    }
    drop(held);
    assert_eq!(step.await.unwrap().unwrap().state, State::HandedOver.word());
    let done = finish(&cluster, "eu1", &alice).await;
    assert_eq!(done.state, State::Done.word(), "{done:#?}");
    assert!(done.progress.arrived.as_ref().unwrap().absent.is_empty(), "{done:#?}");
    let there = at(&cluster, "ch1", &alice);
    cluster.cut();
    for (place, length) in files {
        has_file(&there, &place, length).await;
    }
    let joined = there.get(&format!("{V3}/joined_rooms")).await.ok().to_string();
    assert!(rooms.iter().all(|room| joined.contains(room)), "{joined}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_go_while_their_new_home_lacks_what_the_vault_names() {
    let (cluster, alice, _, _, file) = ready().await;
    let held = cluster.cell("eu1").moves.hold().await.unwrap();
    let step = copied(&cluster, &alice).await;
    // The new home has lost it again, and the old one does not know.
    cluster.cell("ch1").lose_files_of(&alice).await;
    drop(held);
    assert_eq!(step.await.unwrap().unwrap().state, State::HandedOver.word(), "it was brought once more");
    let done = finish(&cluster, "eu1", &alice).await;
    let arrived = done.progress.arrived.as_ref().unwrap();
    assert!(arrived.same && arrived.left_out == 0 && arrived.absent.is_empty(), "{arrived:#?}");
    cluster.cut();
    has_file(&at(&cluster, "ch1", &alice), &file, 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_erased_of_whom_the_new_home_took_in_without_a_file() {
    let (cluster, alice, _, _, file) = ready().await;
    let_go(&cluster, &alice).await;
    cluster.cell("ch1").lose_files_of(&alice).await;
    let (moves, user_id) = (&cluster.cell("eu1").moves, alice.user_id.as_ref().unwrap());
    for state in [State::Issued, State::Left] {
        assert_eq!(moves.step_of(user_id).await.unwrap().state, state.word());
    }
    let refused = moves.step_of(user_id).await.err().unwrap().to_string();
    assert!(refused.contains("1 of their files") && refused.contains("nothing is erased"), "{refused}");
    assert!(cluster.cell("eu1").has_file(file.rsplit('/').next().unwrap()).await, "the old home has it still");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_does_to_whom_was_let_go_is_refused_and_not_undone() {
    let (cluster, alice, ..) = ready().await;
    let_go(&cluster, &alice).await;
    let (cell, user_id) = (cluster.cell("eu1"), alice.user_id.as_ref().unwrap());
    let accounts = &cell.services.accounts;
    let by = || Operator { name: "ada".to_owned(), uid: None };
    let password = || "a new one of twenty letters".to_owned();
    let refused = [
        ("password", accounts.set_password(user_id, password(), EndSessions::None).await.err()),
        ("end", accounts.deactivate(user_id, false).await.err()),
        ("lock", cell.services.standings.set_locked(user_id, true).await.err()),
        ("suspension", cell.services.standings.set_suspended(user_id, true).await.err()),
        ("erasure", cell.services.erasures.erase(user_id, by(), "asked".to_owned()).await.err()),
    ];
    for (what, error) in refused {
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("is being moved to another cell: do it there"), "{what}: {error}");
    }
    // Her own request waits, and is told so.
    let own = json!({ "new_password": password(), "auth": { "type": "m.login.password", "password": "x" } });
    let told = alice.post(&format!("{V3}/account/password"), &own).await;
    assert_eq!(told.status, 503, "{:?}", told.json());
    assert!(told.json()["retry_after_ms"].as_u64().is_some(), "{:?}", told.json());
    assert_eq!(finish(&cluster, "eu1", &alice).await.state, State::Done.word());
    at(&cluster, "ch1", &alice).get(&format!("{V3}/account/whoami")).await.ok();
    cluster.cell("ch1").services.standings.set_locked(user_id, true).await.unwrap();
    let told = at(&cluster, "ch1", &alice).get(&format!("{V3}/account/whoami")).await;
    assert_eq!(told.status, 401, "there it holds: {:?}", told.json());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_does_while_things_are_copied_goes_along() {
    let (cluster, alice, ..) = ready().await;
    let held = cluster.cell("eu1").moves.hold().await.unwrap();
    let step = copied(&cluster, &alice).await;
    let user_id = alice.user_id.as_ref().unwrap();
    cluster.cell("eu1").services.standings.set_suspended(user_id, true).await.unwrap();
    drop(held);
    assert_eq!(step.await.unwrap().unwrap().state, State::HandedOver.word());
    assert_eq!(finish(&cluster, "eu1", &alice).await.state, State::Done.word());
    assert!(cluster.cell("ch1").services.standings.get(user_id).await.unwrap().suspended);
}

#[tokio::test(flavor = "multi_thread")]
async fn invites_to_somebody_who_was_let_go_reach_them_at_their_new_home() {
    let cluster = Cluster::of(&["eu", "ch", "us"]).await.with_user("eu1", "alice").await.with_user("us1", "dave").await;
    let cluster = cluster.with_user("eu1", "carol").await;
    let (alice, carol, dave) =
        (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"), cluster.user("us1", "dave"));
    let private = json!({ "preset": "private_chat" });
    let mut rooms = Vec::new();
    for by in [&carol, &dave, &dave] {
        let made = by.post(&format!("{V3}/createRoom"), &private).await.ok();
        rooms.push(made["room_id"].as_str().unwrap().to_owned());
    }
    let body = json!({ "user_id": alice.id() });
    dave.post(&format!("{V3}/rooms/{}/invite", rooms[2]), &body).await.ok();
    let_go(&cluster, &alice).await;
    // One by somebody of her old home goes after her; one from elsewhere is refused for now.
    carol.post(&format!("{V3}/rooms/{}/invite", rooms[0]), &body).await.ok();
    let told = dave.post(&format!("{V3}/rooms/{}/invite", rooms[1]), &body).await;
    assert!(!told.status.is_success(), "{:?}", told.json());
    assert_eq!(finish(&cluster, "eu1", &alice).await.state, State::Done.word());
    until("the other's cell has heard where she is", || async {
        cluster.pass(61_000);
        cluster.cell("eu1").moves.run_due().await.unwrap();
        dave.post(&format!("{V3}/rooms/{}/invite", rooms[1]), &body).await.status.is_success()
    })
    .await;
    let there = at(&cluster, "ch1", &alice);
    let sync = there.get(&format!("{V3}/sync")).await.ok();
    let invites = sync["rooms"]["invite"].as_object().unwrap();
    assert!(rooms.iter().all(|room| invites.contains_key(room)), "{invites:?}");
    for room in &rooms[..2] {
        there.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    }
    // One that she had before is refused there.
    there.post(&format!("{V3}/rooms/{}/leave", rooms[2]), &json!({})).await.ok();
    until("dave hears of it", || async {
        let path = format!("{V3}/rooms/{}/state/m.room.member/{}", rooms[2], alice.id());
        dave.get(&path).await.json()["membership"] == "leave"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_that_are_to_be_left_are_left_when_all_else_is_there() {
    let cluster = Cluster::with_flow(&["eu", "ch"], "forbid").await.with_user("eu1", "alice").await;
    let cluster = cluster.with_user("eu1", "carol").await;
    let (alice, carol) = (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"));
    let room = shared(&alice, &carol).await;
    let members = || async {
        let members = carol.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
        members["joined"].as_object().unwrap().len()
    };
    let (moves, user_id) = (&cluster.cell("eu1").moves, alice.user_id.as_ref().unwrap());
    moves.order(Order { forbidden: Forbidden::Leave, ..order(&alice, "ch") }).await.unwrap();
    cluster.cut();
    assert!(moves.step_of(user_id).await.is_err());
    assert_eq!(members().await, 2, "the border is shut: she has not left it");
    assert_eq!(moves.stop(user_id, "the test".to_owned()).await.unwrap().state, State::Stopped.word());
    cluster.heal();
    moves.order(Order { forbidden: Forbidden::Leave, ..order(&alice, "ch") }).await.unwrap();
    let done = finish(&cluster, "eu1", &alice).await;
    assert_eq!(done.state, State::Done.word(), "{done:#?}");
    // Which one it was is not kept.
    assert_eq!((members().await, done.progress.left_behind), (1, 1), "{:#?}", done.progress);
}
