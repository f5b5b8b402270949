//! Moves: how many and how far, to those of the region, and about nobody by name.

use domicile_app::moves::{Forbidden, Order, State, Target};
use domicile_testkit::cluster::Cluster;

use super::*;

fn order(cluster: &Cluster, name: &str, to: Target, notice_days: i64) -> Order {
    Order {
        user_id: cluster.user("eu1", name).user_id.unwrap(),
        to,
        by: "<b>ada".to_owned(),
        reason: "the law has changed".to_owned(),
        notice_days,
        address_days: 90,
        forbidden: Forbidden::Refuse,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_are_counted_and_nobody_is_named() {
    let mut cluster = Cluster::of_cells(&[("eu1", "eu"), ("eu2", "eu"), ("ch1", "ch")], "encrypted_only").await;
    for name in ["alice", "bob", "carol", "dave"] {
        cluster = cluster.with_user("eu1", name).await;
    }
    let server = cluster.cell("eu1");
    with_operators(server, "eu").await;
    let moves = &server.moves;
    let ch = || Target::Region("ch".to_owned());
    moves.order(order(&cluster, "alice", ch(), 14)).await.unwrap();
    moves.order(order(&cluster, "bob", ch(), 14)).await.unwrap();
    let bob = cluster.user("eu1", "bob").user_id.unwrap();
    moves.object(&bob, "I am bob and I stay.".to_owned()).await.unwrap();
    moves.order(order(&cluster, "carol", Target::Cell("eu2".to_owned()), 0)).await.unwrap();
    let carol = cluster.user("eu1", "carol").user_id.unwrap();
    for _ in 0..1_500 {
        moves.run_due().await.unwrap();
        if moves.of_user(&carol).await.unwrap().unwrap().state == State::Done.word() {
            break;
        }
        cluster.pass(61_000);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    cluster.pass(61_000);
    cluster.cut();
    moves.order(order(&cluster, "dave", ch(), 0)).await.unwrap();
    moves.run_due().await.unwrap();

    for name in ["ada", "ben"] {
        let mut browser = Browser::of(server, name).await;
        let page = text(&browser.get(server, "/console/moves").await);
        for said in [
            "<b>3</b><span>under way</span>",
            "<b>1</b><span>objected: you decide</span>",
            "<b>1</b><span>tried again</span>",
            "<b>1</b><span>done</span>",
            "0 of 3 done",
            "1 of 1 done",
            "waits for your decision",
            "begins in 13 days",
            "Failed 1 time",
            "&lt;b&gt;ada",
        ] {
            assert!(page.contains(said), "{name}: {said}: {page}");
        }
        for never in ["alice", "bob", "carol", "dave", "<b>ada", "I stay"] {
            assert!(!page.contains(never), "{name}: {never}: {page}");
        }
        let regions = text(&browser.get(server, "/console/regions").await);
        assert!(regions.contains("/console/moves\">People"), "{regions}");
        let alerts = text(&browser.get(server, "/console/alerts").await);
        assert!(alerts.contains("Somebody objects to being moved") && alerts.contains("/console/moves"), "{alerts}");
    }
    let mut kim = Browser::of(server, "kim").await;
    assert_eq!(kim.get(server, "/console/moves").await.status.as_u16(), 403, "another region's operator");
    assert!(!text(&kim.get(server, "/console/regions").await).contains("/console/moves\">People"));
}
