//! What somebody can do who has the key of a cell that is the way between two others, whose direct line is blocked.

use std::{sync::Arc, time::Duration};

use domicile_testkit::{
    cluster::{Between, Cluster, Manner},
    proxy::TestProxy,
};

use super::{Came, Row};
use crate::{
    read,
    relay::{behind_proxies, block},
    say, shared, until,
};

/// How long a message has to come that must not.
const A_WHILE: Duration = Duration::from_secs(3);

/// Who asks the thief's cell, `ch1`, to be the way: `eu1` with alice and `ru1` with bob.
struct Line {
    cluster: Cluster,
    proxies: Arc<[TestProxy; 2]>,
    thief: Between,
    room: String,
    /// What alice has said.
    said: Vec<String>,
}

/// All that they try.
pub(super) async fn attempts() -> [Row; 5] {
    let mut line = Line::prepare().await;
    let held_up = line.attempt("held-up", Manner::Swallows).await;
    let altered = line.attempt("altered", Manner::Alters).await;
    let posed = line.attempt("posed", Manner::Poses).await;
    assert!(!held_up && !altered && !posed, "held up {held_up}, altered {altered}, posed {posed}: bob reads it");
    let believed = line.thief.believed();
    let passed = line.attempt("passed-on", Manner::PassesOn).await;
    assert!(passed, "what was held up is not lost");
    let (saw, knows) = (line.thief.saw(), line.thief.lines() > 0);
    let has = |text: &str| saw.windows(text.len()).any(|window| window == text.as_bytes());
    let words = ["alice", "bob", "passed-on", "m.room", "/_matrix", "X-Domicile", line.room.trim_start_matches('!')];
    let reads = words.into_iter().any(has);
    assert!(saw.len() > 1_000, "{} bytes passed", saw.len());
    let after = line.after().await;
    [
        ("be the way between two other cells, and read what they say", came(reads, Came::Nothing), after),
        ("be the way, and change what they say", came(altered, Came::Nothing), after),
        ("be the way, and answer as the other end", came(believed > 0, Came::Refused), after),
        ("be the way, and know that they talk, when and how much", came(knows, Came::Nothing), after),
        ("be the way where there is no other, and hold up what they say", came(!held_up, Came::Nothing), after),
    ]
}

fn came(succeeds: bool, otherwise: Came) -> Came {
    if succeeds { Came::Succeeds } else { otherwise }
}

impl Line {
    async fn prepare() -> Self {
        let (cluster, proxies) = behind_proxies(str::to_owned, |_, _| {}).await;
        let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
        let room = shared(&alice, &bob).await;
        let first = say(&alice, &room, "first").await;
        until("the direct line leads there", || async { read(&bob, &room).await.contains(&first) }).await;
        let thief = cluster.between("ch1").await;
        block(&cluster, &proxies);
        Self { cluster, proxies, thief, room, said: vec![first] }
    }

    /// Alice says something while the thief does this with lines through them. Whether bob reads all that she has said.
    async fn attempt(&mut self, text: &str, manner: Manner) -> bool {
        self.thief.behave(manner);
        let before = self.thief.lines();
        self.said.push(say(&self.cluster.user("eu1", "alice"), &self.room, text).await);
        until("a line through the thief is opened", || async {
            self.cluster.pass(60_000);
            self.thief.lines() > before
        })
        .await;
        if manner == Manner::PassesOn {
            until("bob reads it", || async {
                self.cluster.pass(60_000);
                self.bob_reads_all().await
            })
            .await;
        } else {
            tokio::time::sleep(A_WHILE).await;
        }
        self.bob_reads_all().await
    }

    async fn bob_reads_all(&self) -> bool {
        let has = read(&self.cluster.user("ru1", "bob"), &self.room).await;
        let all = self.said.iter().all(|said| has.contains(said));
        assert!(has.iter().all(|one| self.said.contains(one)), "{has:?} are not what alice said: {:?}", self.said);
        all
    }

    /// The same after the cell was revoked: whether anybody asks it for a line.
    async fn after(&mut self) -> Came {
        self.thief.behave(Manner::PassesOn);
        Box::pin(self.cluster.revoke("ch1")).await;
        let before = self.thief.connections();
        self.said.push(say(&self.cluster.user("eu1", "alice"), &self.room, "afterwards").await);
        for _ in 0..4 {
            tokio::time::sleep(A_WHILE / 2).await;
            self.cluster.pass(60_000);
        }
        if self.thief.connections() > before || self.bob_reads_all().await {
            return Came::Succeeds;
        }
        self.proxies.iter().for_each(|proxy| proxy.block(&[]));
        until("the direct line leads there again", || async {
            self.cluster.pass(60_000);
            self.bob_reads_all().await
        })
        .await;
        Came::NoConnection
    }
}
