//! Servers that fail at random, come and go, and restarts of ours in between: whatever happens, each is told everything that is for it, in
//! order, not again once it has said that it has it, and no event before the message to devices that it rests on.

use std::collections::{BTreeMap, BTreeSet};

use domicile_core::{
    clock::{DAY_MS, MINUTE_MS},
    rng::{self, SeededRng},
};
use domicile_testkit::{
    courier::{Courier, Manner, Received},
    server::TestServer,
};

use crate::{SOON, room, say, server};

const NAMES: [&str; 4] = ["a.org", "b.org", "c.org", "d.org"];
const STEPS: usize = 150;

/// What one server is to be told.
#[derive(Default)]
struct Due {
    /// Rooms that it is in.
    rooms: BTreeSet<usize>,
    /// Events and messages to devices, in their order.
    told: Vec<Told>,
}

struct Told {
    /// A message's text, or `kick` and a number.
    name: String,
    room: usize,
    /// The message to devices that goes before it.
    key: Option<String>,
    /// Whether it may be left out: the server came into the room again before it was told.
    optional: bool,
}

/// A run of one seed.
struct Run {
    rng: SeededRng,
    rooms: Vec<String>,
    due: BTreeMap<&'static str, Due>,
    number: usize,
}

impl Run {
    fn chance(&self, of: usize) -> usize {
        usize::from(u16::from_le_bytes(rng::bytes::<2>(&self.rng))) % of
    }

    fn name(&self) -> &'static str {
        NAMES[self.chance(NAMES.len())]
    }

    async fn speak(&mut self, server: &TestServer, with_keys: bool) {
        self.number += 1;
        let (room, text) = (self.chance(self.rooms.len()), format!("m{}", self.number));
        for (name, due) in &mut self.due {
            if due.rooms.contains(&room) {
                let key = with_keys.then(|| format!("key-{text}"));
                if let Some(key) = &key {
                    server.leave_message(name, key).await;
                }
                due.told.push(Told { name: text.clone(), room, key, optional: false });
            }
        }
        say(&server.user("alice"), &self.rooms[room], &text).await;
    }

    async fn come_or_go(&mut self, server: &TestServer) {
        let (name, room) = (self.name(), self.chance(self.rooms.len()));
        let user_id = format!("@u:{name}");
        let due = self.due.get_mut(name).unwrap();
        if due.rooms.insert(room) {
            // What was not told yet of the time before is not told any more: whoever comes gets the room as it is.
            due.told.iter_mut().filter(|told| told.room == room).for_each(|told| told.optional = true);
            server.strangers(&self.rooms[room], &[&user_id], "join").await;
        } else {
            due.rooms.remove(&room);
            let others = self.due.values_mut();
            self.number += 1;
            let kick_name = format!("kick {user_id} {}", self.number);
            for other in others.filter(|other| other.rooms.contains(&room)) {
                other.told.push(Told { name: kick_name.clone(), room, key: None, optional: false });
            }
            let own = Told { name: kick_name.clone(), room, key: None, optional: false };
            self.due.get_mut(name).unwrap().told.push(own);
            let path = format!("{}/rooms/{}/kick", crate::V3, self.rooms[room]);
            let body = serde_json::json!({ "user_id": user_id, "reason": kick_name });
            server.user("alice").post(&path, &body).await.ok();
        }
    }
}

/// The names of what is in a transaction.
fn names(transaction: &Received) -> Vec<String> {
    let text = |pdu: &serde_json::Value| {
        pdu["content"]["body"].as_str().or(pdu["content"]["reason"].as_str()).map(str::to_owned)
    };
    transaction.pdus.iter().filter_map(text).collect()
}

fn keys(transaction: &Received) -> BTreeSet<String> {
    let ids = transaction.edus.iter().filter_map(|edu| edu["content"]["message_id"].as_str());
    ids.map(str::to_owned).collect()
}

fn has_all(courier: &Courier, run: &Run) -> bool {
    run.due.iter().all(|(name, due)| {
        let received = courier.received(name);
        let acknowledged = received.iter().filter(|transaction| transaction.acknowledged);
        let names: BTreeSet<String> = acknowledged.flat_map(names).collect();
        due.told.iter().all(|told| told.optional || names.contains(&told.name))
    })
}

fn check(name: &str, due: &Due, received: &[Received]) {
    let mut ids: BTreeMap<&str, &Received> = BTreeMap::new();
    let mut acknowledged: BTreeSet<String> = BTreeSet::new();
    let (mut order, mut keys_so_far) = (Vec::new(), BTreeSet::new());
    let expected: BTreeMap<&str, (usize, &Told)> =
        due.told.iter().enumerate().map(|(index, told)| (told.name.as_str(), (index, told))).collect();
    for transaction in received {
        assert!(transaction.pdus.len() <= 50 && transaction.edus.len() <= 100);
        if let Some(before) = ids.insert(&transaction.id, transaction) {
            assert_eq!(
                (&before.pdus, &before.edus),
                (&transaction.pdus, &transaction.edus),
                "{name}: one id, two contents"
            );
        }
        keys_so_far.extend(keys(transaction));
        for told in names(transaction) {
            assert!(!acknowledged.contains(&told), "{name}: {told} came again after it was acknowledged");
            let (index, entry) = expected.get(told.as_str()).unwrap_or_else(|| panic!("{name}: {told} is not for it"));
            if !order.contains(index) {
                order.push(*index);
            }
            if let Some(key) = &entry.key {
                assert!(keys_so_far.contains(key), "{name}: {told} came before its key");
            }
        }
        if transaction.acknowledged {
            acknowledged.extend(names(transaction));
            for key in keys(transaction) {
                assert!(acknowledged.insert(key.clone()), "{name}: {key} came again after it was acknowledged");
            }
        }
    }
    assert!(order.is_sorted(), "{name}: out of order: {order:?}");
    for told in due.told.iter().filter(|told| !told.optional) {
        assert!(acknowledged.contains(&told.name), "{name}: {} is missing", told.name);
    }
}

async fn run(seed: u64) {
    let courier = Courier::new(seed);
    let mut server = server(&courier).await;
    let alice = server.user("alice");
    let due = NAMES.into_iter().map(|name| (name, Due::default())).collect();
    let mut run =
        Run { rng: SeededRng::new(seed), rooms: vec![room(&alice).await, room(&alice).await], due, number: 0 };
    for name in NAMES {
        courier.set(name, Manner::Moody);
        let room = run.chance(2);
        server.strangers(&run.rooms[room], &[&format!("@u:{name}")], "join").await;
        run.due.get_mut(name).unwrap().rooms.insert(room);
    }
    for _ in 0..STEPS {
        match run.chance(20) {
            0..=9 => run.speak(&server, false).await,
            10..=13 => run.speak(&server, true).await,
            14..=15 => run.come_or_go(&server).await,
            16..=17 => server.clock.advance(i64::try_from(run.chance(30)).unwrap() * MINUTE_MS),
            18 => {
                server.clock.advance(5 * MINUTE_MS);
                tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            }
            _ => server = server.restart().await,
        }
    }
    for name in NAMES {
        courier.set(name, Manner::Takes);
    }
    server.clock.advance(2 * DAY_MS);
    let all = courier.until(SOON, |courier| has_all(courier, &run)).await;
    let server = server.restart().await;
    for (name, due) in &run.due {
        check(name, due, &courier.received(name));
    }
    assert!(all, "seed {seed}");
    let lost = NAMES.iter().flat_map(|name| courier.received(name)).filter(|received| !received.acknowledged).count();
    assert!(lost > 0, "seed {seed}: no answer was lost");
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_told_in_order_and_once_it_is_acknowledged_not_again() {
    for seed in 1..=4 {
        Box::pin(run(seed)).await;
    }
}
