//! People are told in their clients by the cell in which their home is, and that their account is to move.

use domicile_app::{
    moves::{Forbidden, Order, State, Target},
    standing::incidents::{FirstUpdate, IncidentKind, NewIncident},
};
use domicile_testkit::{
    cluster::Cluster,
    server::{TestServer, TestUser},
};
use serde_json::json;

use crate::{V3, two};

/// What somebody reads in the rooms to which they are invited, and in those that they are in and that have words in the clear; the oldest first.
pub(crate) async fn notices(user: &TestUser) -> Vec<String> {
    let sync = user.get(&format!("{V3}/sync")).await.ok();
    let rooms = |kind: &str| sync["rooms"][kind].as_object().map(|rooms| rooms.keys().cloned().collect::<Vec<_>>());
    for room in rooms("invite").unwrap_or_default() {
        user.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    }
    let mut texts = Vec::new();
    for room in ["invite", "join"].into_iter().filter_map(rooms).flatten() {
        let messages = user.get(&format!("{V3}/rooms/{room}/messages?dir=f&limit=50")).await.ok();
        let chunk = messages["chunk"].as_array().unwrap().clone();
        texts.extend(chunk.iter().filter_map(|event| event["content"]["body"].as_str()).map(str::to_owned));
    }
    texts
}

fn order(user: &TestUser, notice_days: i64) -> Order {
    Order {
        user_id: user.user_id.clone().unwrap(),
        to: Target::Region("ru".to_owned()),
        by: "ada".to_owned(),
        reason: "the law has changed".to_owned(),
        notice_days,
        address_days: 90,
        forbidden: Forbidden::Refuse,
    }
}

/// Tells everybody in a cell, of whom there are so many.
async fn tell_of_an_outage(server: &TestServer, people: u64) {
    let words = [("en".to_owned(), "Messages are delayed.".to_owned())].into();
    let first = FirstUpdate { words, note: None, is_public: true, who: "ada".to_owned() };
    let new = NewIncident { kind: IncidentKind::Outage, code: None, first };
    let standing = &server.admin.standing;
    let number = standing.incidents.open(new).await.unwrap().incident;
    let told = standing.notices.tell(number, false).await.unwrap();
    assert_eq!((told.told, told.failed), (people, 0), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_cell_tells_its_own_people() {
    let cluster = two().await;
    for (cell, name) in [("eu1", "alice"), ("ru1", "bob")] {
        tell_of_an_outage(cluster.cell(cell), 1).await;
        assert_eq!(notices(&cluster.user(cell, name)).await.len(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_to_move_reads_it_once_in_their_language() {
    let cluster = two().await;
    let (server, alice) = (cluster.cell("eu1"), cluster.user("eu1", "alice"));
    let user_id = alice.user_id.clone().unwrap();
    server.services.jurisdictions.state(&user_id, Some("DE"), "contract").await.unwrap();
    server.moves.order(order(&alice, 14)).await.unwrap();
    let told = &server.admin.standing.move_notices;
    assert_eq!((told.look().await.unwrap(), told.look().await.unwrap()), (1, 0), "once");
    let read = notices(&alice).await;
    assert_eq!(read.len(), 1, "{read:?}");
    for said in ["in die Region ru umzuziehen", "the law has changed", "https://eu1.example.org/account"] {
        assert!(read[0].contains(said), "{said}: {read:?}");
    }
    server.moves.object(&user_id, "no".to_owned()).await.unwrap();
    server.moves.decide(&user_id, true, "ada".to_owned()).await.unwrap();
    assert_eq!(told.look().await.unwrap(), 0, "that it goes on is on her page");
    server.moves.stop(&user_id, "ada".to_owned()).await.unwrap();
    assert_eq!((told.look().await.unwrap(), told.look().await.unwrap()), (1, 0));
    assert!(notices(&alice).await[1].contains("wurde gestoppt"));
    // Whoever was not told of it need not hear that it was stopped.
    server.moves.order(order(&alice, 14)).await.unwrap();
    server.moves.stop(&user_id, "ada".to_owned()).await.unwrap();
    assert_eq!(told.look().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_room_of_notices_hinders_nobody_from_moving_and_stays() {
    let cluster: Cluster = two().await;
    let (server, alice) = (cluster.cell("eu1"), cluster.user("eu1", "alice"));
    let user_id = alice.user_id.clone().unwrap();
    tell_of_an_outage(server, 1).await;
    assert_eq!(notices(&alice).await.len(), 1);
    let plan = server.moves.plan(&user_id, &Target::Region("ru".to_owned())).await.unwrap();
    assert!(plan.forbidden.is_empty() && plan.rooms.is_empty(), "{plan:#?}");
    server.moves.order(order(&alice, 0)).await.unwrap();
    let mut state = String::new();
    for _ in 0..200 {
        server.moves.run_due().await.unwrap();
        state = server.moves.of_user(&user_id).await.unwrap().unwrap().state;
        if state == State::Done.word() {
            break;
        }
        cluster.pass(61_000);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(state, State::Done.word());
    let there =
        json!({ "user_id": alice.id(), "device_id": alice.device_id, "access_token": alice.token.clone().unwrap() });
    let alice = cluster.cell("ru1").with_token(&there);
    assert_eq!(notices(&alice).await, Vec::<String>::new(), "what was said there stays there");
    tell_of_an_outage(cluster.cell("ru1"), 2).await;
    assert_eq!(notices(&alice).await.len(), 1, "her new home tells her in a room of its own");
}
