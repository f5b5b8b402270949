//! Arrivals: how many and how far, to those of the region, and about nobody by name.

use domicile_app::moves::{Coming, Forbidden, Order, State, Target};
use domicile_core::clock::MINUTE_MS;
use domicile_testkit::cluster::Cluster;

use super::*;

fn order(cluster: &Cluster, name: &str) -> Order {
    Order {
        user_id: cluster.user("eu1", name).user_id.unwrap(),
        to: Target::Cell("eu2".to_owned()),
        by: "ada".to_owned(),
        reason: "the law has changed".to_owned(),
        notice_days: 0,
        address_days: 90,
        forbidden: Forbidden::Refuse,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arrivals_are_counted_and_nobody_is_named() {
    let mut cluster = Cluster::of_cells(&[("eu1", "eu"), ("eu2", "eu")], "encrypted_only").await;
    for name in ["alice", "bob"] {
        cluster = cluster.with_user("eu1", name).await;
    }
    let (left, server) = (cluster.cell("eu1"), cluster.cell("eu2"));
    with_operators(server, "eu").await;
    left.moves.order(order(&cluster, "alice")).await.unwrap();
    let alice = cluster.user("eu1", "alice").user_id.unwrap();
    for _ in 0..1_500 {
        left.moves.run_due().await.unwrap();
        if left.moves.of_user(&alice).await.unwrap().unwrap().state == State::Done.word() {
            break;
        }
        cluster.pass(61_000);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // Bob's vault is here, and nobody has told the directory.
    let bob = left.moves.order(order(&cluster, "bob")).await.unwrap();
    let handed = left.moves.step_of(&cluster.user("eu1", "bob").user_id.unwrap()).await.unwrap();
    assert_eq!(handed.state, State::HandedOver.word());
    let counts = server.moves.arrival_counts().await.unwrap();
    let seen: Vec<_> = counts.iter().map(|one| (one.from.as_str(), one.state.as_str(), one.count)).collect();
    assert_eq!(seen, [("eu1", Coming::Waits.word(), 1), ("eu1", Coming::Settled.word(), 1)]);
    assert_eq!(left.moves.arrival_counts().await.unwrap(), [], "nobody comes to the cell that they leave");

    for (name, waits) in [("ada", false), ("ben", true)] {
        let mut browser = Browser::of(server, name).await;
        let page = text(&browser.get(server, "/console/arrivals").await);
        for said in [
            "<b>1</b><span>on the way here</span>",
            "<b>1</b><span>at home here</span>",
            if waits { "<b>1</b><span>take unusually long</span>" } else { "<b>0</b><span>take unusually long</span>" },
            "1 of 2 at home",
            "waits for the directory's word",
            bob.move_id.as_str(),
        ] {
            assert!(page.contains(said) || page.contains(&said.replace('\'', "&#39;")), "{name}: {said}: {page}");
        }
        assert_eq!(page.contains("domicile directory status"), waits, "{name}: {page}");
        for never in ["alice", "@bob", "the law has changed"] {
            assert!(!page.contains(never), "{name}: {never}: {page}");
        }
        let regions = text(&browser.get(server, "/console/regions").await);
        assert!(regions.contains("/console/arrivals\">people who come"), "{regions}");
        cluster.pass(6 * MINUTE_MS);
    }
    let mut kim = Browser::of(server, "kim").await;
    assert_eq!(kim.get(server, "/console/arrivals").await.status.as_u16(), 403, "another region's operator");
    assert!(!text(&kim.get(server, "/console/regions").await).contains("people who come"));

    let finished = async {
        for _ in 0..1_500 {
            left.moves.run_due().await.unwrap();
            if server.moves.arriving(10).await.unwrap().is_empty() {
                return;
            }
            cluster.pass(61_000);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    finished.await;
    assert_eq!(server.moves.arrival_counts().await.unwrap()[0].count, 2, "both are settled");
}
