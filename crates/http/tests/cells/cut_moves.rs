//! Moves whose border is cut while rooms are brought, for hours and more than once: they go on by themselves, or what has come is forgotten if they do not.

use std::{sync::Arc, time::Duration};

use domicile_core::clock::{HOUR_MS, MINUTE_MS};
use domicile_testkit::{cluster::Cluster, server::TestUser};

use crate::{
    V3,
    moves::{at, finish, has_moved, order, ready},
    read, say, shared, until,
};

/// Rooms beside the one: as many as take a while.
const ROOMS: usize = 40;
const HOURS: i64 = 8;

/// Rooms of two people of a cell, each with something that was said there.
async fn rooms(alice: &TestUser, carol: &TestUser) -> Vec<(String, Vec<String>)> {
    let mut rooms = Vec::with_capacity(ROOMS);
    for number in 0..ROOMS {
        let room = shared(alice, carol).await;
        let said = vec![say(carol, &room, &format!("in-{number}")).await];
        rooms.push((room, said));
    }
    rooms
}

/// Hours in which the border is cut and the move is due again and again.
async fn pass_hours(cluster: &Cluster, alice: &TestUser) {
    let moves = &cluster.cell("eu1").moves;
    let mut attempts = 0;
    for _ in 0..HOURS {
        cluster.pass(HOUR_MS);
        assert_eq!(moves.run_due().await.unwrap(), 1, "it is due again");
        let shown = moves.of_user(alice.user_id.as_ref().unwrap()).await.unwrap().unwrap();
        assert_eq!(shown.state, "copying", "{shown:#?}");
        assert!(shown.attempts > attempts && shown.ended_ts.is_none(), "{shown:#?}");
        assert!(shown.error.as_ref().is_some_and(|error| error.contains("ch1, could not be asked")), "{shown:#?}");
        attempts = shown.attempts;
        // She is at home where she was.
        alice.get(&format!("{V3}/account/whoami")).await.ok();
    }
}

/// How many of some rooms the other cell knows.
async fn known_there(cluster: &Cluster, rooms: &[(String, Vec<String>)]) -> usize {
    let contents = format!("{:?}", cluster.cell("ch1").contents().await);
    rooms.iter().filter(|(room, _)| contents.contains(room)).count()
}

/// Works on a move, and cuts the border when some of the rooms are there and others are not.
async fn cut_amid(cluster: &Cluster, alice: &TestUser) {
    let moves = Arc::clone(&cluster.cell("eu1").moves);
    let working = tokio::spawn({
        let moves = Arc::clone(&moves);
        async move { moves.run_due().await.unwrap() }
    });
    loop {
        let shown = moves.of_user(alice.user_id.as_ref().unwrap()).await.unwrap().unwrap();
        assert_eq!(shown.state, "copying", "rooms are still to be brought: {shown:#?}");
        if shown.progress.rooms.done > 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    cluster.cut();
    working.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_cut_for_hours_goes_on_by_itself() {
    let (cluster, alice, carol, room, mut said) = ready().await;
    let others = rooms(&alice, &carol).await;
    cluster.cell("eu1").moves.order(order(&alice, "ch")).await.unwrap();
    // From its beginning on.
    cluster.cut();
    pass_hours(&cluster, &alice).await;
    said.push(say(&alice, &room, "three").await);
    cluster.heal();
    cut_amid(&cluster, &alice).await;
    pass_hours(&cluster, &alice).await;
    said.push(say(&carol, &room, "four").await);
    cluster.heal();
    let done = finish(&cluster, "eu1", &alice).await;
    assert_eq!((done.state.as_str(), done.attempts, &done.error), ("done", 0, &None), "{done:#?}");
    has_moved(&cluster, &alice, &room, &said).await;
    let there = at(&cluster, "ch1", &alice);
    for (other, said) in &others {
        assert_eq!(read(&there, other).await, *said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_come_is_forgotten_when_the_border_opens_after_a_move_was_stopped() {
    let (cluster, alice, carol, room, said) = ready().await;
    let others = rooms(&alice, &carol).await;
    let (eu, ch) = (&cluster.cell("eu1").moves, &cluster.cell("ch1").moves);
    eu.order(order(&alice, "ch")).await.unwrap();
    cut_amid(&cluster, &alice).await;
    let stopped = eu.stop(alice.user_id.as_ref().unwrap(), "the test".to_owned()).await.unwrap();
    assert_eq!(stopped.state, "stopped");
    // The new home has not heard of it, and does not while the border is cut.
    cluster.pass(MINUTE_MS);
    eu.run_due().await.unwrap();
    assert_eq!(ch.arriving(10).await.unwrap().len(), 1);
    assert!(known_there(&cluster, &others).await > 0, "copies of rooms have come");
    cluster.heal();
    for _ in 0..600 {
        if ch.arriving(10).await.unwrap().is_empty() {
            break;
        }
        cluster.pass(MINUTE_MS);
        eu.run_due().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(ch.arriving(10).await.unwrap().is_empty(), "nobody is on the way there any more");
    until("the copies are gone", || async { known_there(&cluster, &others).await == 0 }).await;
    assert_eq!(read(&alice, &room).await, said);
    // Whoever moves after all moves.
    eu.order(order(&alice, "ch")).await.unwrap();
    assert_eq!(finish(&cluster, "eu1", &alice).await.state, "done");
    has_moved(&cluster, &alice, &room, &said).await;
}
