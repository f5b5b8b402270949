//! Somebody moves from one cell to another, with all that is theirs.

use domicile_app::moves::{Forbidden, Order, State, Target};
use domicile_testkit::{cluster::Cluster, server::TestUser};
use serde_json::{Value, json};

use crate::{V3, read, say, shared, until};

pub(crate) fn order(user: &TestUser, region: &str) -> Order {
    Order {
        user_id: user.user_id.clone().unwrap(),
        to: Target::Region(region.to_owned()),
        by: "the test".to_owned(),
        reason: "the law has changed".to_owned(),
        notice_days: 0,
        address_days: 90,
        forbidden: Forbidden::Refuse,
    }
}

/// Does what is due until somebody's move is over; gives it.
pub(crate) async fn finish(cluster: &Cluster, cell: &str, user: &TestUser) -> domicile_app::moves::Shown {
    let moves = &cluster.cell(cell).moves;
    let mut last = None;
    for _ in 0..600 {
        moves.run_due().await.unwrap();
        let shown = moves.of_user(user.user_id.as_ref().unwrap()).await.unwrap().unwrap();
        if shown.ended_ts.is_some() {
            return shown;
        }
        last = Some(shown);
        cluster.pass(61_000);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the move does not end: {last:#?}");
}

/// Moves somebody from a cell into a region, to the end.
pub(crate) async fn into(cluster: &Cluster, cell: &str, user: &TestUser, region: &str) {
    cluster.cell(cell).moves.order(order(user, region)).await.unwrap();
    let done = finish(cluster, cell, user).await;
    assert_eq!(done.state, State::Done.word(), "{done:#?}");
}

/// The same session at another cell: what a client is that follows its account.
pub(crate) fn at(cluster: &Cluster, cell: &str, user: &TestUser) -> TestUser {
    cluster.cell(cell).with_token(
        &json!({ "user_id": user.id(), "device_id": user.device_id, "access_token": user.token.clone().unwrap() }),
    )
}

/// Rows in a cell that are about people whose home is elsewhere and must not be there, as an audit names them.
pub(crate) async fn foreign(cluster: &Cluster, cell: &str) -> Value {
    let audit = cluster.cell(cell).admin.evidence.audits.run().await.unwrap();
    let body = audit.document["body"].clone();
    json!({ "foreign": body["foreign"], "rooms": body["rooms"] })
}

pub(crate) fn rows(audit: &Value) -> i64 {
    audit["foreign"]["rows"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_address_that_has_ended_opens_nothing_and_says_why() {
    let cluster = Cluster::of(&["eu", "ch"]).await.with_user("eu1", "alice").await;
    let (alice, whoami) = (cluster.user("eu1", "alice"), format!("{V3}/account/whoami"));
    alice.get(&whoami).await.ok();
    let at_once = Order { address_days: 0, ..order(&alice, "ch") };
    cluster.cell("eu1").moves.order(at_once).await.unwrap();
    // While the move goes on, what is hers stands there still.
    for _ in 0..20 {
        if cluster.cell("eu1").moves.step_of(alice.user_id.as_ref().unwrap()).await.unwrap().state == State::Left.word()
        {
            break;
        }
    }
    let told = alice.get(&whoami).await.fails(401, "M_UNKNOWN_TOKEN");
    assert_eq!(told["soft_logout"], true, "{told}");
    let why = told["error"].as_str().unwrap();
    assert!(why.contains("has moved") && why.contains("ch1.example.org"), "{told}");
    assert_eq!(finish(&cluster, "eu1", &alice).await.state, State::Done.word());
    assert_eq!(alice.get(&whoami).await.fails(401, "M_UNKNOWN_TOKEN")["soft_logout"], true);
    at(&cluster, "ch1", &alice).get(&whoami).await.ok();
    // A month later nobody is known by it.
    cluster.pass(31 * 24 * 3_600_000);
    cluster.cell("eu1").moves.run_due().await.unwrap();
    let told = alice.get(&whoami).await.fails(401, "M_UNKNOWN_TOKEN");
    assert!(told.get("soft_logout").is_none() || told["soft_logout"] == false, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_moves_and_their_client_goes_on() {
    let cluster = Cluster::of(&["eu", "ch"]).await.with_user("eu1", "alice").await.with_user("ch1", "bob").await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ch1", "bob"));
    let cluster = cluster.with_user("eu1", "carol").await;
    let carol = cluster.user("eu1", "carol");
    let with_bob = shared(&alice, &bob).await;
    let with_carol = shared(&alice, &carol).await;
    let mut said = vec![say(&alice, &with_bob, "one").await];
    until("bob reads it", || async { read(&bob, &with_bob).await == said }).await;
    said.push(say(&bob, &with_bob, "two").await);
    let among_them = vec![say(&carol, &with_carol, "early").await];
    alice.put(&format!("{V3}/user/{}/account_data/org.example.setting", alice.id()), &json!({ "a": 1 })).await.ok();
    alice.put(&format!("{V3}/profile/{}/displayname", alice.id()), &json!({ "displayname": "Alice" })).await.ok();
    let keys = json!({ "one_time_keys": { "signed_curve25519:AAAA": { "key": "k", "signatures": {} } } });
    alice.post(&format!("{V3}/keys/upload"), &keys).await.ok();
    until("both have both", || async { read(&alice, &with_bob).await == said }).await;
    let sync = alice.get(&format!("{V3}/sync")).await.ok();
    let since = sync["next_batch"].as_str().unwrap().to_owned();
    // Something waits in the inbox, and something was said, that her client has not seen yet.
    let to_device = json!({ "messages": { alice.id(): { alice.device_id.clone(): { "n": 1 } } } });
    carol.put(&format!("{V3}/sendToDevice/org.example.key/t1"), &to_device).await.ok();
    said.push(say(&bob, &with_bob, "three").await);
    until("it is here", || async { read(&alice, &with_bob).await == said }).await;

    let moves = &cluster.cell("eu1").moves;
    let plan = moves.plan(alice.user_id.as_ref().unwrap(), &Target::Region("ch".to_owned())).await.unwrap();
    assert_eq!((plan.rooms.len(), plan.others, plan.forbidden.len()), (2, 2, 0), "{plan:#?}");
    moves.order(order(&alice, "ch")).await.unwrap();
    let again = moves.order(order(&alice, "ch")).await;
    assert!(again.is_err_and(|error| error.to_string().contains("on the way already")), "nobody moves twice at once");
    let done = finish(&cluster, "eu1", &alice).await;
    assert_eq!(done.state, State::Done.word(), "{done:#?}");
    let arrived = done.progress.arrived.as_ref().unwrap();
    assert!(arrived.same && arrived.left_out == 0, "{arrived:#?}");

    // The same token works at the new home, and everything is there once.
    let alice_there = at(&cluster, "ch1", &alice);
    let whoami = alice_there.get(&format!("{V3}/account/whoami")).await.ok();
    assert_eq!((whoami["user_id"].as_str(), whoami["device_id"].as_str()), (Some(alice.id()), Some(&*alice.device_id)));
    let sync = alice_there.get(&format!("{V3}/sync?since={since}")).await.ok();
    assert_eq!(sync["to_device"]["events"].as_array().unwrap().len(), 1, "{}", sync["to_device"]);
    assert_eq!(sync["device_one_time_keys_count"]["signed_curve25519"], 1);
    let rooms = sync["rooms"]["join"].as_object().unwrap();
    assert!(
        rooms.contains_key(&with_bob) && !rooms.contains_key(&with_carol),
        "what is new, and nothing else: {rooms:?}"
    );
    assert_eq!(read(&alice_there, &with_bob).await, said);
    assert_eq!(read(&alice_there, &with_carol).await, among_them);
    let setting = alice_there.get(&format!("{V3}/user/{}/account_data/org.example.setting", alice.id())).await.ok();
    assert_eq!(setting["a"], 1);
    // The old address passes her requests on.
    let whoami = alice.get(&format!("{V3}/account/whoami")).await.ok();
    assert_eq!(whoami["user_id"], alice.id());
    let next = sync["next_batch"].as_str().unwrap();
    let sync = alice.get(&format!("{V3}/sync?since={next}")).await.ok();
    assert!(sync["to_device"]["events"].as_array().is_none_or(Vec::is_empty), "{sync}");

    // Talking goes on, each way, also with those who stayed where she was.
    let (from_alice, from_carol) =
        (say(&alice_there, &with_carol, "here").await, say(&carol, &with_carol, "there").await);
    for by in [&alice_there, &carol] {
        until("both read both", || async {
            let read = read(by, &with_carol).await;
            read.contains(&from_alice) && read.contains(&from_carol) && read.len() == 3
        })
        .await;
    }
    let to_device = json!({ "messages": { alice.id(): { "*": { "n": 2 } } } });
    carol.put(&format!("{V3}/sendToDevice/org.example.key/t2"), &to_device).await.ok();
    until("what carol sends her reaches her", || async {
        let sync = alice_there.get(&format!("{V3}/sync?since={next}")).await.ok();
        sync["to_device"]["events"].to_string().contains("\"n\":2")
    })
    .await;
    let claim = json!({ "one_time_keys": { alice.id(): { alice.device_id.clone(): "signed_curve25519" } } });
    let claimed = carol.post(&format!("{V3}/keys/claim"), &claim).await.ok();
    assert!(claimed["one_time_keys"][alice.id()].to_string().contains("AAAA"), "{claimed}");
    let profile = carol.get(&format!("{V3}/profile/{}", alice.id())).await.ok();
    assert_eq!(profile["displayname"], "Alice");

    // Nothing of hers is left, and the room that only she had there is gone.
    let left = foreign(&cluster, "eu1").await;
    assert_eq!(rows(&left), 0, "{left:#}");
    let there = foreign(&cluster, "ch1").await;
    assert_eq!(rows(&there), 0, "{there:#}");
    assert!(
        cluster.cell("eu1").services.sender.rooms().num(with_bob.as_str().try_into().unwrap()).await.unwrap().is_none()
    );
    let names = &cluster.cell("eu1").services.users.localities().cells().unwrap().names;
    assert_eq!(names.check_log().await.unwrap(), 4, "three names and a transfer");
}

/// Alice in one cell with a room of hers and bob's and something in her inbox, and who she is at her new home.
pub(crate) async fn ready() -> (Cluster, TestUser, TestUser, String, Vec<String>) {
    let cluster = Cluster::of(&["eu", "ch"]).await.with_user("eu1", "alice").await.with_user("ch1", "bob").await;
    let cluster = cluster.with_user("eu1", "carol").await;
    let (alice, carol) = (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"));
    let room = shared(&alice, &carol).await;
    let said = vec![say(&alice, &room, "one").await, say(&carol, &room, "two").await];
    let to_device = json!({ "messages": { alice.id(): { "*": { "n": 1 } } } });
    carol.put(&format!("{V3}/sendToDevice/org.example.key/t1"), &to_device).await.ok();
    (cluster, alice, carol, room, said)
}

/// Everything is at the new home once, and nothing at the old one.
pub(crate) async fn has_moved(cluster: &Cluster, alice: &TestUser, room: &str, said: &[String]) {
    let there = at(cluster, "ch1", alice);
    let sync = there.get(&format!("{V3}/sync")).await.ok();
    assert_eq!(sync["to_device"]["events"].as_array().map(Vec::len), Some(1), "{}", sync["to_device"]);
    assert_eq!(read(&there, room).await, said);
    for cell in ["eu1", "ch1"] {
        let audit = foreign(cluster, cell).await;
        assert_eq!(rows(&audit), 0, "{cell}: {audit:#}");
    }
    let home = |cell: &str| {
        let tickets = &cluster.cell(cell).services.users.localities().cells().unwrap().tickets;
        tickets.home(alice.user_id.as_ref().unwrap()).unwrap().as_str().to_owned()
    };
    assert_eq!((home("eu1"), home("ch1")), ("ch1".to_owned(), "ch1".to_owned()), "one home, wherever it is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_cells_stop_after_every_step_and_the_move_goes_on() {
    let (mut cluster, alice, carol, room, said) = ready().await;
    let user_id = alice.user_id.clone().unwrap();
    cluster.cell("eu1").moves.order(order(&alice, "ch")).await.unwrap();
    let mut states = Vec::new();
    loop {
        let shown = cluster.cell("eu1").moves.step_of(&user_id).await.unwrap();
        states.push(shown.state.clone());
        // Both stop here, one after the other; what was in memory is gone.
        cluster.restart("ch1").await;
        cluster.restart("eu1").await;
        if shown.state == State::HandedOver.word() || shown.state == State::Issued.word() {
            // Nobody's home in between: requests wait, and are told so, at the old home; at the new one nobody knows the token yet.
            let there = at(&cluster, "ch1", &alice).get(&format!("{V3}/account/whoami")).await;
            assert_eq!(there.status, 401, "{:?}", there.json());
            let departures = &cluster.cell("eu1").services.departures;
            let user_num = cluster.cell("eu1").services.users.num(&user_id).await.unwrap().unwrap();
            assert!(departures.has(user_num), "after a restart, too");
        }
        if shown.ended_ts.is_some() {
            break;
        }
    }
    assert_eq!(states, ["handed_over", "issued", "left", "erased", "done"]);
    has_moved(&cluster, &alice, &room, &said).await;
    let carol = at(&cluster, "eu1", &carol);
    let last = say(&carol, &room, "after").await;
    let there = at(&cluster, "ch1", &alice);
    until("they talk", || async { read(&there, &room).await.contains(&last) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_whose_answers_are_lost_are_done_again() {
    let (mut cluster, alice, _, room, said) = ready().await;
    let user_id = alice.user_id.clone().unwrap();
    let order = cluster.cell("eu1").moves.order(order(&alice, "ch")).await.unwrap();
    let handed = cluster.cell("eu1").moves.step_of(&user_id).await.unwrap();
    let issued = cluster.cell("eu1").moves.step_of(&user_id).await.unwrap();
    assert_eq!((handed.state.as_str(), issued.state.as_str()), ("handed_over", "issued"));
    // The new home has taken her in, and her old one stops before it hears of it.
    let about = domicile_app::moves::messages::About { move_id: order.move_id, user_id: user_id.clone() };
    let home = domicile_app::moves::messages::Home { about, tickets: issued.progress.tickets.clone() };
    cluster.cell("ch1").moves.arrivals().unwrap().take_home(home).await.unwrap();
    cluster.restart("eu1").await;
    cluster.restart("ch1").await;
    let done = finish(&cluster, "eu1", &alice).await;
    assert_eq!(done.state, "done", "{done:#?}");
    has_moved(&cluster, &alice, &room, &said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_border_holds_a_move_up_and_nobody_is_lost() {
    let (cluster, alice, _, room, said) = ready().await;
    let user_id = alice.user_id.clone().unwrap();
    let moves = &cluster.cell("eu1").moves;
    moves.order(order(&alice, "ch")).await.unwrap();
    cluster.cut();
    moves.run_due().await.unwrap();
    let shown = moves.of_user(&user_id).await.unwrap().unwrap();
    assert_eq!((shown.state.as_str(), shown.attempts), ("copying", 1));
    assert!(shown.error.unwrap().contains("the other cell, ch1, could not be asked"));
    // She is at home where she was.
    alice.get(&format!("{V3}/account/whoami")).await.ok();
    assert_eq!(read(&alice, &room).await, said);
    // Stopped, and ordered anew when the border is open again.
    assert_eq!(moves.stop(&user_id, "the test".to_owned()).await.unwrap().state, "stopped");
    cluster.heal();
    moves.order(order(&alice, "ch")).await.unwrap();
    // It is cut once more when she was let go.
    assert_eq!(moves.step_of(&user_id).await.unwrap().state, "handed_over");
    assert_eq!(moves.step_of(&user_id).await.unwrap().state, "issued");
    cluster.cut();
    assert!(moves.step_of(&user_id).await.is_err());
    assert!(moves.stop(&user_id, "the test".to_owned()).await.is_err(), "there is no way back");
    cluster.heal();
    assert_eq!(finish(&cluster, "eu1", &alice).await.state, "done");
    has_moved(&cluster, &alice, &room, &said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_that_the_rules_forbid_are_listed_and_left_or_nobody_moves() {
    let cluster = Cluster::with_flow(&["eu", "ch"], "forbid").await.with_user("eu1", "alice").await;
    let cluster = cluster.with_user("eu1", "carol").await;
    let (alice, carol) = (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"));
    let room = shared(&alice, &carol).await;
    let moves = &cluster.cell("eu1").moves;
    let user_id = alice.user_id.clone().unwrap();
    let plan = moves.plan(&user_id, &Target::Region("ch".to_owned())).await.unwrap();
    assert_eq!(plan.forbidden.iter().map(|room| room.room_id.as_str()).collect::<Vec<_>>(), [room.as_str()]);
    assert!(plan.forbidden[0].reason.contains("rules"), "{plan:#?}");
    moves.order(order(&alice, "ch")).await.unwrap();
    let refused = finish(&cluster, "eu1", &alice).await;
    assert_eq!(refused.state, "stopped");
    assert!(refused.error.unwrap().contains("--forbidden leave"));
    moves.order(Order { forbidden: Forbidden::Leave, ..order(&alice, "ch") }).await.unwrap();
    let done = finish(&cluster, "eu1", &alice).await;
    assert_eq!(done.state, "done", "{done:#?}");
    let members = carol.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
    assert_eq!(members["joined"].as_object().unwrap().len(), 1);
    at(&cluster, "ch1", &alice).get(&format!("{V3}/account/whoami")).await.ok();
    assert_eq!(rows(&foreign(&cluster, "eu1").await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_objects_stays_until_it_is_decided() {
    let (cluster, alice, _, room, said) = ready().await;
    let moves = &cluster.cell("eu1").moves;
    let user_id = alice.user_id.clone().unwrap();
    let announced = moves.order(Order { notice_days: 7, ..order(&alice, "ch") }).await.unwrap();
    assert_eq!(announced.state, "announced");
    let told = alice.get("/_domicile/client/v1/move").await.ok();
    assert_eq!((told["state"].as_str(), told["reason"].as_str()), (Some("announced"), Some("the law has changed")));
    assert!(told["to"].is_null(), "people are told the region and not the cell: {told}");
    assert_eq!(moves.run_due().await.unwrap(), 0, "nothing is due within the notice");
    alice.post("/_domicile/client/v1/move/object", &json!({ "reason": "I would rather not" })).await.ok();
    cluster.pass(30 * 24 * 3_600_000);
    assert_eq!(moves.run_due().await.unwrap(), 0, "nothing is due before the decision");
    assert_eq!(moves.decide(&user_id, true, "the operator".to_owned()).await.unwrap().state, "announced");
    let again = alice.post("/_domicile/client/v1/move/object", &json!({ "reason": "again" })).await;
    assert!(again.status.is_success(), "until it begins");
    assert_eq!(moves.decide(&user_id, true, "the operator".to_owned()).await.unwrap().state, "announced");
    assert_eq!(finish(&cluster, "eu1", &alice).await.state, "done");
    has_moved(&cluster, &alice, &room, &said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_cell_follows_and_what_it_sent_meanwhile_arrives() {
    let cluster = Cluster::of(&["eu", "ch", "us"]).await.with_user("eu1", "alice").await.with_user("us1", "dave").await;
    let (alice, dave) = (cluster.user("eu1", "alice"), cluster.user("us1", "dave"));
    let room = shared(&alice, &dave).await;
    let user_id = alice.user_id.clone().unwrap();
    let moves = &cluster.cell("eu1").moves;
    moves.order(order(&alice, "ch")).await.unwrap();
    for state in ["handed_over", "issued", "left"] {
        assert_eq!(moves.step_of(&user_id).await.unwrap().state, state);
    }
    // The third cell does not know yet, and tells her old home.
    let said = vec![say(&dave, &room, "meanwhile").await];
    let to_device = json!({ "messages": { alice.id(): { "*": { "n": 7 } } } });
    dave.put(&format!("{V3}/sendToDevice/org.example.key/t1"), &to_device).await.ok();
    assert_eq!(finish(&cluster, "eu1", &alice).await.state, "done");
    let there = at(&cluster, "ch1", &alice);
    until("she reads it at her new home", || async { read(&there, &room).await == said }).await;
    cluster.pass(3_600_000);
    until("the message to her device has found her, once", || async {
        say(&dave, &room, &format!("nudge-{}", rand_like())).await;
        let sync = there.get(&format!("{V3}/sync")).await.ok();
        sync["to_device"]["events"].as_array().is_some_and(|events| events.len() == 1)
    })
    .await;
    let last = say(&there, &room, "from-there").await;
    until("dave reads her", || async { read(&dave, &room).await.contains(&last) }).await;
    assert_eq!(rows(&foreign(&cluster, "eu1").await), 0);
}

/// A number that was not there before.
fn rand_like() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::SeqCst)
}
