//! People who move away: one has arrived, one is asked again and again whether they may come, one was told, and one objects. And people who come: one
//! is at home, and the vault of another waits.

use std::time::Duration;

use domicile_app::moves::{Forbidden, Order, State, Target};
use domicile_core::clock::{DAY_MS, HOUR_MS};

use super::{CELL, OPERATORS, USER};
use crate::cluster::Cluster;

/// How often what is due is done until somebody has moved.
const TRIES: usize = 200;

/// Everybody's move.
pub(super) async fn moves(cluster: &Cluster) {
    come(cluster).await;
    let moves = &cluster.cell(CELL).moves;
    let region = |name: &str| Target::Region(name.to_owned());
    moves.order(order(cluster, (CELL, "carol"), Target::Cell("eu2".to_owned()), "", 0)).await.expect("a move");
    arrived(cluster, (CELL, "carol")).await;
    let reason =
        "Your contract moves to our society in Zürich at the end of the quarter, and with it the place of your data.";
    moves.order(order(cluster, (CELL, USER), region("ch"), reason, 14)).await.expect("a move");
    moves.order(order(cluster, (CELL, "bob"), region("ch"), reason, 14)).await.expect("a move");
    cluster.pass(DAY_MS + HOUR_MS);
    let user_id = cluster.user(CELL, "bob").user_id.expect("an id");
    let objection = "My employer pays for storage in Germany. Who pays for Zürich?";
    moves.object(&user_id, objection.to_owned()).await.expect("an objection");
    cluster.cut_off("ru1");
    moves.order(order(cluster, (CELL, "elena"), region("ru"), "You asked for it.", 0)).await.expect("a move");
    for _ in 0..3 {
        moves.run_due().await.expect("what is due");
        cluster.pass(61_000);
    }
}

/// Those who come.
async fn come(cluster: &Cluster) {
    let here = || Target::Cell(CELL.to_owned());
    let from = "eu2";
    cluster.cell(from).moves.order(order(cluster, (from, "hanna"), here(), "", 0)).await.expect("a move");
    arrived(cluster, (from, "hanna")).await;
    let from = "ch1";
    cluster.cell(from).moves.order(order(cluster, (from, "ines"), here(), "", 0)).await.expect("a move");
    let user_id = cluster.user(from, "ines").user_id.expect("an id");
    // She is let go, and nobody asks the directory.
    cluster.cell(from).moves.step_of(&user_id).await.expect("the first step");
}

fn order(cluster: &Cluster, (from, name): (&str, &str), to: Target, reason: &str, notice_days: i64) -> Order {
    Order {
        user_id: cluster.user(from, name).user_id.expect("an id"),
        to,
        by: OPERATORS[0].to_owned(),
        reason: reason.to_owned(),
        notice_days,
        address_days: 90,
        forbidden: Forbidden::Refuse,
    }
}

async fn arrived(cluster: &Cluster, (from, name): (&str, &str)) {
    let moves = &cluster.cell(from).moves;
    let user_id = cluster.user(from, name).user_id.expect("an id");
    for _ in 0..TRIES {
        moves.run_due().await.expect("what is due");
        let last = moves.of_user(&user_id).await.expect("a move").expect("a move");
        if last.state == State::Done.word() {
            return;
        }
        cluster.pass(61_000);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
