//! First contact under stress: many devices write to each other at once, and nobody sees a message before its key.
//!
//! What is proved of `/sync` and of sliding connections alike: a message to a device that was acknowledged before an event was sent reaches
//! the device in the same answer as the event or earlier, also where the inbox is longer than one answer.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test whose helper fails has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";
const SLIDING: &str = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";
/// Messages of each writer: of four of them, fewer than one answer of a sliding connection carries at most.
const MESSAGES: usize = 20;

async fn people(names: &[&str]) -> TestServer {
    let mut server = TestServer::start().await;
    for name in names {
        server = server.with_user(name).await;
    }
    server
}

/// A room in which all of them are.
async fn shared_room(server: &TestServer, names: &[&str]) -> String {
    let first = server.user(names[0]);
    let made = first.post(&format!("{V3}/createRoom"), &json!({ "preset": "public_chat" })).await.ok();
    let room = made["room_id"].as_str().unwrap().to_owned();
    for name in &names[1..] {
        server.user(name).post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    }
    room
}

/// Writes messages, each after its key, which goes to every device of the others.
async fn write(by: TestUser, room: String, others: Vec<String>) {
    for number in 0..MESSAGES {
        let key = format!("{}/{number}", by.id());
        let inboxes: BTreeMap<&String, Value> =
            others.iter().map(|other| (other, json!({ "*": { "key": key } }))).collect();
        let path = format!("{V3}/sendToDevice/org.example.key/{number}");
        by.put(&path, &json!({ "messages": inboxes })).await.ok();
        let path = format!("{V3}/rooms/{room}/send/org.example.message/{number}");
        by.put(&path, &json!({ "needs": key })).await.ok();
    }
}

/// Fills an inbox faster than it is emptied, until it is told to stop.
async fn flood(by: TestUser, target: String, stop: Arc<AtomicBool>) {
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        let path = format!("{V3}/sendToDevice/org.example.noise/{round}");
        by.put(&path, &json!({ "messages": { &target: { "*": { "noise": round } } } })).await.ok();
        round += 1;
    }
}

/// What a reader has seen.
#[derive(Default)]
struct Seen {
    keys: Vec<String>,
    noise: Vec<i64>,
    events: Vec<String>,
    cut: usize,
}

impl Seen {
    /// Takes an answer in: its inbox first, as clients do.
    fn take(&mut self, inbox: &Value, timelines: impl Iterator<Item = Value>) {
        let inbox = inbox.as_array().map_or(&[][..], Vec::as_slice);
        self.keys.extend(inbox.iter().filter_map(|event| event["content"]["key"].as_str()).map(str::to_owned));
        self.noise.extend(inbox.iter().filter_map(|event| event["content"]["noise"].as_i64()));
        self.cut += usize::from(inbox.len() >= 100);
        for event in timelines.flat_map(|timeline| timeline.as_array().cloned().unwrap_or_default()) {
            let Some(needs) = event["content"]["needs"].as_str() else { continue };
            assert!(self.keys.iter().any(|key| key == needs), "{needs} came before its key");
            self.events.push(needs.to_owned());
        }
    }

    /// Everything came once, and in its writer's order.
    fn assert_complete(&self, writers: &[&str]) {
        for writer in writers {
            let expected: Vec<String> = (0..MESSAGES).map(|number| format!("@{writer}:localhost/{number}")).collect();
            let own = |all: &[String]| {
                all.iter().filter(|key| key.starts_with(&format!("@{writer}:"))).cloned().collect::<Vec<_>>()
            };
            assert_eq!(own(&self.keys), expected, "keys");
            assert_eq!(own(&self.events), expected, "events");
        }
        assert!(self.noise.is_sorted_by(|a, b| a < b), "noise came twice or out of order");
    }
}

async fn read_by_sync(by: TestUser, room: String, wanted: usize) -> Seen {
    let (mut seen, mut since) = (Seen::default(), String::new());
    let filter = "%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A500%7D%7D%7D";
    while seen.events.len() < wanted {
        let query = if since.is_empty() { String::new() } else { format!("&since={since}&timeout=5000") };
        let answer = by.get(&format!("{V3}/sync?filter={filter}{query}")).await.ok();
        answer["next_batch"].as_str().unwrap().clone_into(&mut since);
        let timeline = answer["rooms"]["join"][&room]["timeline"]["events"].clone();
        seen.take(&answer["to_device"]["events"], std::iter::once(timeline));
    }
    seen
}

async fn read_by_sliding(by: TestUser, room: String, wanted: usize) -> Seen {
    let (mut seen, mut pos, mut inbox) = (Seen::default(), String::new(), None::<String>);
    while seen.events.len() < wanted {
        let mut body = json!({
            "conn_id": "all",
            "lists": { "all": { "ranges": [[0, 20]], "timeline_limit": 100, "required_state": [] } },
            "extensions": { "to_device": { "enabled": true }, "e2ee": { "enabled": true } },
        });
        if let Some(inbox) = &inbox {
            body["extensions"]["to_device"]["since"] = json!(inbox);
        }
        let query = if pos.is_empty() { String::new() } else { format!("?pos={pos}&timeout=5000") };
        let answer = by.post(&format!("{SLIDING}{query}"), &body).await.ok();
        answer["pos"].as_str().unwrap().clone_into(&mut pos);
        let to_device = &answer["extensions"]["to_device"];
        inbox = to_device["next_batch"].as_str().map(str::to_owned);
        seen.take(&to_device["events"], std::iter::once(answer["rooms"][&room]["timeline"].clone()));
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_message_before_its_key() {
    let writers = ["w0", "w1", "w2", "w3"];
    let names = ["alice", "bob", "noise", "w0", "w1", "w2", "w3"];
    let server = people(&names).await;
    let room = shared_room(&server, &["alice", "bob", "w0", "w1", "w2", "w3"]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let readers = ["@alice:localhost".to_owned(), "@bob:localhost".to_owned()];
    let floods: Vec<_> = readers
        .iter()
        .map(|target| tokio::spawn(flood(server.user("noise"), target.clone(), Arc::clone(&stop))))
        .collect();
    // An inbox is longer than an answer before anybody reads.
    for number in 0..150 {
        let inboxes: BTreeMap<&String, Value> = readers.iter().map(|reader| (reader, json!({ "*": {} }))).collect();
        let path = format!("{V3}/sendToDevice/org.example.old/{number}");
        server.user("noise").put(&path, &json!({ "messages": inboxes })).await.ok();
    }
    let wanted = writers.len() * MESSAGES;
    let by_sync = tokio::spawn(read_by_sync(server.user("alice"), room.clone(), wanted));
    let by_sliding = tokio::spawn(read_by_sliding(server.user("bob"), room.clone(), wanted));
    let writing: Vec<_> =
        writers.iter().map(|name| tokio::spawn(write(server.user(name), room.clone(), readers.to_vec()))).collect();
    for writer in writing {
        writer.await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for flood in floods {
        flood.await.unwrap();
    }
    let end = std::time::Duration::from_mins(1);
    for reader in [by_sync, by_sliding] {
        let seen = tokio::time::timeout(end, reader).await.expect("everything arrives").unwrap();
        seen.assert_complete(&writers);
        assert!(seen.cut > 0, "no inbox was cut, so nothing was proved of that");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_is_handed_out_once_and_the_count_is_true() {
    const KEYS: usize = 60;
    let server = people(&["alice", "bob", "carol"]).await;
    let alice = server.user("alice");
    let keys: BTreeMap<String, Value> = (0..KEYS)
        .map(|number| {
            (format!("signed_curve25519:K{number}"), json!({ "key": format!("key{number}"), "signatures": {} }))
        })
        .collect();
    alice.post(&format!("{V3}/keys/upload"), &json!({ "one_time_keys": keys })).await.ok();
    let claims: Vec<_> = (0..KEYS + 10)
        .map(|number| {
            let by = server.user(if number % 2 == 0 { "bob" } else { "carol" });
            let device = alice.device_id.clone();
            tokio::spawn(async move {
                let wanted = json!({ "one_time_keys": { "@alice:localhost": { device: "signed_curve25519" } } });
                by.post(&format!("{V3}/keys/claim"), &wanted).await.ok()["one_time_keys"].to_string()
            })
        })
        .collect();
    // Meanwhile the counts that alice sees only fall, and each is what was left at that moment.
    let mut counts = Vec::new();
    for _ in 0..5 {
        let synced = alice.get(&format!("{V3}/sync")).await.ok();
        counts.push(synced["device_one_time_keys_count"]["signed_curve25519"].as_i64().unwrap());
    }
    assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
    let mut handed_out = Vec::new();
    for claim in claims {
        handed_out.push(claim.await.unwrap());
    }
    let got: Vec<&String> = handed_out.iter().filter(|claimed| claimed.contains("\"key\"")).collect();
    let different: BTreeSet<&&String> = got.iter().collect();
    assert_eq!((got.len(), different.len()), (KEYS, KEYS));
    let synced = alice.get(&format!("{V3}/sync")).await.ok();
    assert_eq!(synced["device_one_time_keys_count"]["signed_curve25519"], 0, "none is told as such");
}

#[tokio::test]
async fn a_key_that_was_handed_out_does_not_come_back() {
    let server = people(&["alice", "bob"]).await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let upload = async |keys: std::ops::Range<usize>| {
        let key = |number| {
            (format!("signed_curve25519:K{number}"), json!({ "key": format!("key{number}"), "signatures": {} }))
        };
        let keys: BTreeMap<String, Value> = keys.map(key).collect();
        let told = alice.post(&format!("{V3}/keys/upload"), &json!({ "one_time_keys": keys })).await.ok();
        told["one_time_key_counts"]["signed_curve25519"].as_i64().unwrap()
    };
    let claim = async || {
        let wanted = json!({ "one_time_keys": { alice.id(): { alice.device_id.as_str(): "signed_curve25519" } } });
        bob.post(&format!("{V3}/keys/claim"), &wanted).await.ok()["one_time_keys"].to_string()
    };
    assert_eq!(upload(0..5).await, 5);
    let first = claim().await;
    // The client did not hear of its upload, and repeats it.
    assert_eq!(upload(0..5).await, 4);
    for _ in 0..4 {
        assert_ne!(claim().await, first);
    }
    assert_eq!(claim().await, "{}", "there is none left");
    // For long, but not for ever: what is remembered is bounded.
    for round in 1..8 {
        assert_eq!(upload(round * 50..(round + 1) * 50).await, 50);
        for _ in 0..50 {
            claim().await;
        }
    }
    assert_eq!(upload(350..401).await, 1, "only the last is new");
    let rows =
        server.store.read(|snapshot| async move { snapshot.query("SELECT key_id FROM one_time_keys", &[]).await });
    assert!(rows.await.unwrap().len() <= 252);
}

/// Follows the device lists from a token until somebody's change was told, and gives the answer's next token.
async fn told_of(by: &TestUser, since: &str, whom: &str) -> String {
    let mut since = since.to_owned();
    for _ in 0..20 {
        let answer = by.get(&format!("{V3}/sync?since={since}&timeout=1000")).await.ok();
        answer["next_batch"].as_str().unwrap().clone_into(&mut since);
        let changed = answer["device_lists"]["changed"].as_array().cloned().unwrap_or_default();
        if changed.iter().any(|user_id| user_id == whom) {
            return since;
        }
    }
    panic!("nobody told of {whom}'s devices");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_joins_and_uploads_keys_at_once_is_told_of() {
    let server = people(&["alice", "bob", "carol"]).await;
    let (alice, carol) = (server.user("alice"), server.user("carol"));
    for round in 0..12 {
        let bob = server.login("bob").await;
        let room = shared_room(&server, &["alice"]).await;
        let synced = alice.get(&format!("{V3}/sync")).await.ok();
        let since = synced["next_batch"].as_str().unwrap().to_owned();
        // Every other time alice's inbox is longer than an answer, so that her answers end before what they tell of.
        if round % 2 == 1 {
            for number in 0..130 {
                let path = format!("{V3}/sendToDevice/org.example.noise/{round}-{number}");
                let inbox = json!({ "messages": { alice.id(): { alice.device_id.as_str(): {} } } });
                carol.put(&path, &inbox).await.ok();
            }
        }
        let join = {
            let (bob, room) = (bob.clone(), room.clone());
            tokio::spawn(async move { bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok() })
        };
        let upload = {
            let bob = bob.clone();
            tokio::spawn(async move {
                let keys = json!({
                    "user_id": bob.id(), "device_id": bob.device_id, "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
                    "keys": { format!("ed25519:{}", bob.device_id): "key" }, "signatures": {},
                });
                bob.post(&format!("{V3}/keys/upload"), &json!({ "device_keys": keys })).await.ok()
            })
        };
        let told = told_of(&alice, &since, bob.id()).await;
        join.await.unwrap();
        upload.await.unwrap();
        // If the keys were not there yet when alice was told, she is told again.
        let query = || async {
            let asked = alice.post(&format!("{V3}/keys/query"), &json!({ "device_keys": { bob.id(): [] } })).await.ok();
            asked["device_keys"][bob.id()][&bob.device_id].is_object()
        };
        assert!(query().await, "round {round}");
        let changes = alice.get(&format!("{V3}/keys/changes?from={since}&to={told}")).await.ok();
        assert!(changes["changed"].as_array().unwrap().iter().any(|user_id| user_id == bob.id()), "round {round}");
        // And the other way: bob, who is new, asks for alice.
        let synced = bob.get(&format!("{V3}/sync")).await.ok();
        let since = synced["next_batch"].as_str().unwrap().to_owned();
        let again = server.login("alice").await;
        told_of(&bob, &since, alice.id()).await;
        again.post(&format!("{V3}/logout"), &json!({})).await.ok();
        bob.post(&format!("{V3}/logout"), &json!({})).await.ok();
    }
}

#[tokio::test]
async fn an_inbox_from_further_back_takes_nothing_back() {
    let server = people(&["alice", "bob"]).await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = shared_room(&server, &["alice", "bob"]).await;
    for number in 0..150 {
        let path = format!("{V3}/sendToDevice/org.example.noise/{number}");
        let inbox = json!({ "messages": { bob.id(): { bob.device_id.as_str(): { "noise": number } } } });
        alice.put(&path, &inbox).await.ok();
    }
    write(alice.clone(), room.clone(), vec![bob.id().to_owned()]).await;
    let request = |with_inbox: bool| {
        json!({
            "lists": { "all": { "ranges": [[0, 20]], "timeline_limit": 50, "required_state": [] } },
            "extensions": { "to_device": { "enabled": with_inbox } },
        })
    };
    // Without the inbox everything is shown; then the inbox is asked for from its beginning.
    let first = bob.post(SLIDING, &request(false)).await.ok();
    let count = |answer: &Value| answer["rooms"][&room]["timeline"].as_array().map_or(0, Vec::len);
    assert!(count(&first) >= MESSAGES);
    let mut pos = first["pos"].as_str().unwrap().to_owned();
    for _ in 0..4 {
        let answer = bob.post(&format!("{SLIDING}?pos={pos}"), &request(true)).await.ok();
        answer["pos"].as_str().unwrap().clone_into(&mut pos);
        assert_eq!(count(&answer), 0, "{}", answer["rooms"]);
    }
    alice.put(&format!("{V3}/rooms/{room}/send/org.example.message/last"), &json!({ "last": true })).await.ok();
    let answer = bob.post(&format!("{SLIDING}?pos={pos}"), &request(false)).await.ok();
    assert_eq!(count(&answer), 1, "{}", answer["rooms"]);
}
