//! Unread counts by thread.

#![expect(clippy::expect_used, reason = "a step of a test that fails ends the test")]

use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";
/// A filter that asks for counts by thread.
const BY_THREAD: &str =
    "filter=%7B%22room%22%3A%7B%22timeline%22%3A%7B%22unread_thread_notifications%22%3Atrue%7D%7D%7D";

struct Stage {
    server: TestServer,
    room: String,
    sent: u32,
}

impl Stage {
    async fn set() -> Self {
        let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
        let (alice, bob) = (server.user("alice"), server.user("bob"));
        let made = alice.post(&format!("{V3}/createRoom"), &json!({ "preset": "public_chat" })).await.ok();
        let room = made["room_id"].as_str().expect("a room").to_owned();
        bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
        // To the default rules a room of two is a direct message; a third makes it a group.
        let server = server.with_user("carol").await;
        server.user("carol").post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
        Self { server, room, sent: 0 }
    }

    fn bob(&self) -> TestUser {
        self.server.user("bob")
    }

    async fn say(&mut self, who: &str, root: Option<&str>, mentions: bool) -> String {
        self.sent += 1;
        let mut content = json!({ "msgtype": "m.text", "body": "hello", "m.mentions": {} });
        if mentions {
            content["m.mentions"] = json!({ "user_ids": ["@bob:localhost"] });
        }
        if let Some(root) = root {
            content["m.relates_to"] = json!({ "rel_type": "m.thread", "event_id": root });
        }
        let path = format!("{V3}/rooms/{}/send/m.room.message/{}", self.room, self.sent);
        self.server.user(who).put(&path, &content).await.ok()["event_id"].as_str().expect("an id").to_owned()
    }

    /// Bob's counts of the main timeline, and those of his threads.
    async fn counts(&self) -> (Value, Value) {
        let synced = self.bob().get(&format!("{V3}/sync?{BY_THREAD}")).await.ok();
        let room = &synced["rooms"]["join"][&self.room];
        (room["unread_notifications"].clone(), room["unread_thread_notifications"].clone())
    }

    async fn read(&self, event: &str, thread: &str) {
        let path = format!("{V3}/rooms/{}/receipt/m.read/{event}", self.room);
        self.bob().post(&path, &json!({ "thread_id": thread })).await.ok();
    }
}

fn unread(notify: u64, highlight: u64) -> Value {
    json!({ "notification_count": notify, "highlight_count": highlight })
}

#[tokio::test]
async fn each_thread_has_its_notifications_and_highlights() {
    let mut stage = Stage::set().await;
    let first = stage.say("alice", None, false).await;
    let second = stage.say("alice", None, false).await;
    stage.say("alice", Some(&first), false).await;
    let mentioned = stage.say("alice", Some(&first), true).await;
    stage.say("carol", Some(&second), false).await;
    let (main, threads) = stage.counts().await;
    assert_eq!(main, unread(2, 0));
    assert_eq!(threads, json!({ &first: unread(2, 1), &second: unread(1, 0) }));

    // Without the filter everything is the room's.
    let synced = stage.bob().get(&format!("{V3}/sync")).await.ok();
    assert_eq!(synced["rooms"]["join"][&stage.room]["unread_notifications"], unread(5, 1));

    stage.read(&mentioned, &first).await;
    let (main, threads) = stage.counts().await;
    assert_eq!((main, threads), (unread(2, 0), json!({ &second: unread(1, 0) })));
    stage.say("alice", Some(&first), false).await;
    assert_eq!(stage.counts().await.1[&first], unread(1, 0), "from the receipt on");
    stage.read(&second, "main").await;
    assert_eq!(stage.counts().await.0, unread(0, 0));
    assert_eq!(stage.counts().await.1[&second], unread(1, 0), "the main timeline is not its threads");

    let last = stage.say("alice", Some(&second), true).await;
    let path = format!("{V3}/rooms/{}/receipt/m.read/{last}", stage.room);
    stage.bob().post(&path, &json!({})).await.ok();
    assert_eq!(stage.counts().await, (unread(0, 0), Value::Null), "a receipt without a thread is for all of them");
}

#[tokio::test]
async fn what_does_not_notify_does_not_count() {
    let mut stage = Stage::set().await;
    let root = stage.say("alice", None, false).await;
    let path = format!("{V3}/rooms/{}/send/m.room.message/notice", stage.room);
    let notice = json!({
        "msgtype": "m.notice", "body": "beep", "m.relates_to": { "rel_type": "m.thread", "event_id": root },
    });
    stage.server.user("alice").put(&path, &notice).await.ok();
    assert_eq!(stage.counts().await, (unread(1, 0), Value::Null), "notices are silent by the default rules");
    let muted = json!({ "actions": [], "pattern": "hello" });
    stage.bob().put(&format!("{V3}/pushrules/global/content/quiet"), &muted).await.ok();
    stage.say("alice", Some(&root), false).await;
    assert_eq!(stage.counts().await.1, Value::Null, "the user's own rule silences it");
}

#[tokio::test]
async fn a_redacted_reply_leaves_the_counts_of_those_who_have_read_it_alone() {
    let mut stage = Stage::set().await;
    let root = stage.say("alice", None, false).await;
    stage.say("alice", Some(&root), false).await;
    let read = stage.say("alice", Some(&root), false).await;
    stage.say("alice", Some(&root), false).await;
    stage.read(&read, &root).await;
    assert_eq!(stage.counts().await.1[&root], unread(1, 0));
    let path = format!("{V3}/rooms/{}/redact/{read}/r", stage.room);
    stage.server.user("alice").put(&path, &json!({})).await.ok();
    assert_eq!(stage.counts().await.1[&root], unread(1, 0));
}

#[tokio::test]
async fn totals_of_threads_that_are_not_in_memory_are_read_again() {
    let mut stage = Stage::set().await;
    let root = stage.say("alice", None, false).await;
    // More threads than the room keeps totals of in memory: those of the first are read again.
    stage.say("alice", Some(&root), true).await;
    for _ in 0..70 {
        let other = stage.say("alice", None, false).await;
        stage.say("alice", Some(&other), false).await;
    }
    stage.say("alice", Some(&root), false).await;
    let (main, threads) = stage.counts().await;
    assert_eq!(main, unread(71, 0));
    assert_eq!(threads[&root], unread(2, 1));
    assert_eq!(threads.as_object().map(serde_json::Map::len), Some(71));
}
