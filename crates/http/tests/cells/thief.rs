//! All that somebody tries who has a cell's key and disk, before the others hear of the theft and after. What comes of each attempt stands in
//! `docs/stolen-cell.md`, which this test compares, and writes where `DOMICILE_WRITE` is set.

mod between;

use std::fmt::Write as _;

use axum::http::Method;
use domicile_testkit::{
    cluster::{Cluster, Forger, Request},
    server::TestUser,
};
use serde_json::{Value, json};

use crate::{V3, document, moves::order, read, say, shared_of, until};

const FEDERATION: &str = "/_matrix/federation/v1";
const INNER: &str = "/_domicile/inner/v1";
const FORGED: &str = "forged";

/// What comes of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    NoConnection,
    Refused,
    Nothing,
    Succeeds,
}

impl Came {
    fn words(self) -> &'static str {
        match self {
            Self::NoConnection => "no connection",
            Self::Refused => "refused",
            Self::Nothing => "nothing comes of it",
            Self::Succeeds => "**succeeds**",
        }
    }
}

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    Pose,
    Say(Who),
    SayEarlier,
    Rule,
    MakeLeave,
    Letter,
    Typing,
    Devices,
    TakeName,
    TakeNewName,
    Kidnap,
    FetchBack,
    LookUpStranger,
    LookUpAcquaintance,
    ProfileOfStranger,
    KeysOfStranger,
    Enter,
    ReadState,
    ReadPast,
    ReadEvent,
    BringSomebody,
    TakeOver,
    ReadShared,
    GiveAway,
    ReadKept,
    Present,
    ReadReport,
}

/// In whose name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Other,
    Moved,
    Own,
}

/// Each attempt in words, and whether the stolen cell's own people could do it: then it may succeed until the cell is revoked.
const ATTEMPTS: [(Aim, &str, bool); 29] = [
    (Aim::Pose, "speak as another cell", false),
    (Aim::Say(Who::Other), "say something as somebody of another cell", false),
    (Aim::Say(Who::Moved), "say something as somebody who has moved to another cell", false),
    (Aim::SayEarlier, "the same, dated to when their home was here", false),
    (Aim::Rule, "change a room's power levels as somebody of another cell", false),
    (Aim::MakeLeave, "make somebody of another cell leave a room", false),
    (Aim::Letter, "send a message to a device as somebody of another cell", false),
    (Aim::Typing, "show somebody of another cell as typing", false),
    (Aim::Devices, "announce a device of somebody of another cell", false),
    (Aim::TakeName, "take a name that somebody has", false),
    (Aim::Kidnap, "have the directory move somebody of another cell here", false),
    (Aim::FetchBack, "have the directory move somebody back who has moved away", false),
    (Aim::BringSomebody, "announce that somebody of another cell moves, as if their home were here", false),
    (Aim::TakeOver, "tell a cell that somebody's home is there, without the directory's word", false),
    (Aim::ReadKept, "have a cell give out what it keeps for the case that others are restored", false),
    (Aim::Present, "bring the directory homes that it did not give, as if it had been restored", false),
    (Aim::ReadReport, "have a cell of a region that is trusted tell its audit report", false),
    (Aim::Enter, "join a private room in which nobody of here is", false),
    (Aim::ReadState, "read the state of such a room", false),
    (Aim::ReadPast, "read the past of such a room", false),
    (Aim::ReadEvent, "read an event of such a room", false),
    (Aim::LookUpAcquaintance, "ask the directory about somebody whom people here have met", true),
    (Aim::LookUpStranger, "ask the directory in which cell somebody is whose exact name they know (10 a second)", true),
    (Aim::ProfileOfStranger, "ask for the profile of somebody whose exact name they know", true),
    (Aim::KeysOfStranger, "ask for the public device keys of somebody whose exact name they know", true),
    (Aim::ReadShared, "read a room in which people of here are", true),
    (Aim::TakeNewName, "take a name that nobody has", true),
    (Aim::Say(Who::Own), "say something as somebody of here", true),
    (Aim::GiveAway, "let somebody of here go to another cell", true),
];

struct Theft {
    cluster: Cluster,
    forger: Forger,
    alice: TestUser,
    bob: TestUser,
    /// Who was at home in the stolen cell and has moved.
    moved: TestUser,
    clara: TestUser,
    shared: String,
    private: String,
    private_event: String,
    shared_event: String,
    /// Events of alice, of who moved, and of bob.
    like: [Value; 3],
}

impl Theft {
    async fn prepare() -> Self {
        let cluster = Cluster::of(&["eu", "ru"]).await.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
        let cluster = cluster.with_user("ru1", "mia").await.with_user("eu1", "clara").await;
        let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
        let (moved, clara) = (cluster.user("ru1", "mia"), cluster.user("eu1", "clara"));
        let shared = shared_of(&alice, &bob, json!({ "room_version": "11" })).await;
        let body = json!({ "user_id": moved.id() });
        alice.post(&format!("{V3}/rooms/{shared}/invite"), &body).await.ok();
        until("the invite has come", || async {
            moved.post(&format!("{V3}/join/{shared}"), &json!({})).await.status.is_success()
        })
        .await;
        let private = shared_of(&alice, &clara, json!({ "room_version": "11" })).await;
        let private_event = say(&clara, &private, "private").await;
        let said =
            [say(&alice, &shared, "alice").await, say(&moved, &shared, "mia").await, say(&bob, &shared, "bob").await];
        until("alice reads all", || async { read(&alice, &shared).await.len() == 3 }).await;
        let mut like = Vec::new();
        for id in &said {
            let id = ruma::OwnedEventId::try_from(id.as_str()).unwrap();
            let stored = cluster.cell("eu1").services.sender.events().by_id(&id).await.unwrap().unwrap();
            like.push(serde_json::from_slice(stored.pdu.json()).unwrap());
        }
        cluster.cell("ru1").moves.order(order(&moved, "eu")).await.unwrap();
        until("she has moved", || async {
            cluster.cell("ru1").moves.run_due().await.unwrap();
            cluster.pass(61_000);
            let shown = cluster.cell("ru1").moves.of_user(moved.user_id.as_ref().unwrap()).await.unwrap().unwrap();
            shown.state == "done"
        })
        .await;
        let (forger, like) = (cluster.forger(Some("ru1"), "eu1"), <[Value; 3]>::try_from(like).unwrap());
        let [.., shared_event] = said;
        Self { cluster, forger, alice, bob, moved, clara, shared, private, private_event, shared_event, like }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value), String> {
        self.forger.ask(Request { origin: "ru1", serial: 2, number: None, method, path, body }).await
    }

    /// What comes of a question whose good answer is a success.
    async fn get(&self, path: String) -> Came {
        of_status(&self.ask(Method::GET, &path, None).await)
    }

    async fn post(&self, path: String, body: Value) -> Came {
        of_status(&self.ask(Method::POST, &path, Some(&body)).await)
    }

    async fn tell(&self, round: &str, id: &str, pdus: &[Value], edus: &[Value]) -> Result<(u16, Value), String> {
        let body = json!({ "origin": "example.org", "origin_server_ts": 1, "pdus": pdus, "edus": edus });
        self.ask(Method::PUT, &format!("{FEDERATION}/send/{round}-{id}"), Some(&body)).await
    }

    async fn event(&self, round: &str, id: &str, event: Value) -> Came {
        match self.tell(round, id, &[event], &[]).await {
            Err(_) => Came::NoConnection,
            Ok((200, told)) => {
                let pdus = told["pdus"].as_object().unwrap().values();
                if pdus.clone().count() == 1 && pdus.clone().all(|one| one["error"].is_null()) {
                    Came::Succeeds
                } else {
                    Came::Refused
                }
            }
            Ok(_) => Came::Refused,
        }
    }

    /// Something that passes, in alice's name; whether `seen` finds any of it.
    async fn passing(&self, round: &str, id: &str, edu: Value, seen: impl AsyncFn(&Self) -> bool) -> Came {
        if self.tell(round, id, &[], &[edu]).await.is_err() {
            return Came::NoConnection;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        if seen(self).await { Came::Succeeds } else { Came::Nothing }
    }

    /// What the directory would have signed to move somebody.
    async fn transfer(&self, user: &TestUser, from: &str, to: &str) -> Came {
        let user_id = user.user_id.as_ref().unwrap();
        let tickets = &self.cluster.cell("eu1").services.users.localities().cells().unwrap().tickets;
        let history = tickets.get(user_id).unwrap();
        let last = history.tickets().last().unwrap();
        let signature = self.forger.lets_go(user_id, (from, to), (last.epoch, &last.hash()));
        let authority = json!({ "by": "home", "signature": signature });
        let body = json!({ "user_id": user_id, "from": from, "to": to, "authority": authority });
        self.post(format!("{INNER}/names/transfer"), body).await
    }

    async fn look_up(&self, user: &TestUser) -> Came {
        self.list("names/look_up", json!({ "user_ids": [user.id()] }), "tickets").await
    }

    /// What comes of a question for a list.
    async fn list(&self, path: &str, question: Value, what: &str) -> Came {
        match self.ask(Method::POST, &format!("{INNER}/{path}"), Some(&question)).await {
            Ok((200, told)) if told[what] == json!([]) => Came::Nothing,
            answer => of_status(&answer),
        }
    }

    async fn attempt(&self, aim: Aim, round: &str) -> Came {
        let (alice, bob) = (self.alice.id(), self.bob.id());
        let (shared, private, event) = (&self.shared, &self.private, &self.private_event);
        match aim {
            Aim::Pose => {
                let (method, path) = (Method::GET, format!("{FEDERATION}/event/{}", self.shared_event));
                let request = Request { origin: "eu1", serial: 2, number: None, method, path: &path, body: None };
                of_status(&self.forger.ask(request).await)
            }
            Aim::Say(who) => {
                let like = &self.like[who as usize];
                let forged = self.forger.event(like, like["sender"].as_str().unwrap());
                self.event(round, &format!("say-{who:?}"), forged).await
            }
            Aim::SayEarlier => {
                let mut like = self.like[1].clone();
                like["origin_server_ts"] = (like["origin_server_ts"].as_i64().unwrap() + 1).into();
                let forged = self.forger.event(&like, self.moved.id());
                self.event(round, "earlier", forged).await
            }
            Aim::Rule => {
                let mut like = self.like[0].clone();
                like["type"] = "m.room.power_levels".into();
                like["state_key"] = "".into();
                like["content"] = json!({ "users": { bob: 100 } });
                self.event(round, "rule", self.forger.event(&like, alice)).await
            }
            Aim::MakeLeave => self.get(format!("{FEDERATION}/make_leave/{shared}/{alice}")).await,
            Aim::Letter => self.letter(round).await,
            Aim::Typing => self.typing(round).await,
            Aim::Devices => self.device(round).await,
            Aim::TakeName => self.post(format!("{INNER}/names/take"), json!({ "user_id": alice })).await,
            Aim::TakeNewName => {
                let user = format!("@{FORGED}-{round}:example.org");
                self.post(format!("{INNER}/names/take"), json!({ "user_id": user })).await
            }
            Aim::Kidnap => self.transfer(&self.alice, "eu1", "ru1").await,
            Aim::FetchBack => self.transfer(&self.moved, "eu1", "ru1").await,
            Aim::GiveAway => self.transfer(&self.bob, "ru1", "eu1").await,
            Aim::LookUpStranger => self.look_up(&self.clara).await,
            Aim::LookUpAcquaintance => self.look_up(&self.alice).await,
            Aim::ProfileOfStranger => self.get(format!("{FEDERATION}/query/profile?user_id={}", self.clara.id())).await,
            Aim::KeysOfStranger => self.keys_of_stranger().await,
            Aim::Enter => self.get(format!("{FEDERATION}/make_join/{private}/{bob}?ver=11")).await,
            Aim::ReadState => self.get(format!("{FEDERATION}/state_ids/{private}?event_id={event}")).await,
            Aim::ReadPast => self.get(format!("{FEDERATION}/backfill/{private}?limit=10&v={event}")).await,
            Aim::ReadEvent => self.get(format!("{FEDERATION}/event/{event}")).await,
            Aim::BringSomebody => {
                let about = json!({ "move_id": format!("{FORGED}{round}"), "user_id": alice });
                self.post(format!("{INNER}/moves/begin"), json!({ "about": about, "tickets": [], "rooms": [] })).await
            }
            Aim::TakeOver => {
                let about = json!({ "move_id": format!("{FORGED}{round}"), "user_id": bob });
                self.post(format!("{INNER}/moves/home"), json!({ "about": about, "tickets": [] })).await
            }
            Aim::ReadKept => self.list("restore/vaults", json!({ "after": "" }), "all").await,
            Aim::Present => self.post(format!("{INNER}/restore/present"), json!({ "tickets": [], "last": true })).await,
            Aim::ReadReport => self.post(format!("{INNER}/evidence/report"), json!({})).await,
            Aim::ReadShared => {
                self.get(format!("{FEDERATION}/state_ids/{shared}?event_id={}", self.shared_event)).await
            }
        }
    }

    async fn letter(&self, round: &str) -> Came {
        let alice = self.alice.id();
        let edu = json!({ "edu_type": "m.direct_to_device", "content": {
            "sender": alice, "type": "m.forged", "message_id": format!("{round}-letter"),
            "messages": { alice: { "*": { FORGED: true } } } } });
        let seen = async |theft: &Self| {
            let sync = theft.alice.get(&format!("{V3}/sync")).await.ok();
            sync["to_device"].to_string().contains("m.forged")
        };
        self.passing(round, "letter", edu, seen).await
    }

    async fn typing(&self, round: &str) -> Came {
        let content = json!({ "room_id": self.shared, "user_id": self.alice.id(), "typing": true });
        let seen = async |theft: &Self| {
            let sync = theft.alice.get(&format!("{V3}/sync")).await.ok();
            let typing = &sync["rooms"]["join"][&theft.shared]["ephemeral"]["events"];
            typing.as_array().is_some_and(|events| {
                events.iter().any(|event| event["content"]["user_ids"].to_string().contains(theft.alice.id()))
            })
        };
        self.passing(round, "typing", json!({ "edu_type": "m.typing", "content": content }), seen).await
    }

    async fn device(&self, round: &str) -> Came {
        let content = json!({ "user_id": self.alice.id(), "device_id": "FORGED", "stream_id": 9_999_999, "prev_id": [],
            "device_display_name": FORGED, "keys": { "user_id": self.alice.id(), "device_id": "FORGED", "algorithms": [],
            "keys": {}, "signatures": {} } });
        let seen = async |theft: &Self| {
            let keys = json!({ "device_keys": { theft.alice.id(): [] } });
            theft.clara.post(&format!("{V3}/keys/query"), &keys).await.ok().to_string().contains("FORGED")
        };
        self.passing(round, "device", json!({ "edu_type": "m.device_list_update", "content": content }), seen).await
    }

    async fn keys_of_stranger(&self) -> Came {
        let question = json!({ "device_keys": { self.clara.id(): [] } });
        match self.ask(Method::POST, &format!("{FEDERATION}/user/keys/query"), Some(&question)).await {
            Ok((200, told)) if !told.to_string().contains(self.clara.id()) => Came::Nothing,
            answer => of_status(&answer),
        }
    }
}

fn of_status(answer: &Result<(u16, Value), String>) -> Came {
    match answer {
        Err(_) => Came::NoConnection,
        Ok((200, _)) => Came::Succeeds,
        Ok(_) => Came::Refused,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stolen_cell_can_do_is_what_is_documented() {
    let mut theft = Theft::prepare().await;
    let keys = json!({ "device_keys": domicile_testkit::identity::device(theft.clara.id(), &theft.clara.device_id) });
    theft.clara.post(&format!("{V3}/keys/upload"), &keys).await.ok();
    let before_room = read(&theft.alice, &theft.shared).await.len();
    let mut before = Vec::new();
    for (aim, what, is_own) in ATTEMPTS {
        let came = theft.attempt(aim, "before").await;
        if !is_own {
            assert_ne!(came, Came::Succeeds, "{what}: the thief can");
        }
        before.push(came);
    }
    assert_eq!(
        read(&theft.alice, &theft.shared).await.len(),
        before_room + 1,
        "what is said as somebody of theirs, and no more"
    );
    Box::pin(theft.cluster.revoke("ru1")).await;
    theft.forger = theft.cluster.forger(Some("ru1"), "eu1");
    let mut table = "| Somebody with the cell's key and disk tries to … | before it is revoked | afterwards |\n| --- | --- | --- |\n".to_owned();
    for ((aim, what, _), before) in ATTEMPTS.into_iter().zip(before) {
        let after = theft.attempt(aim, "after").await;
        assert_eq!(after, Came::NoConnection, "{what}: after the cell was revoked");
        let _ = writeln!(table, "| {what} | {} | {} |", before.words(), after.words());
    }
    for (what, before, after) in Box::pin(between::attempts()).await {
        assert_eq!(after, Came::NoConnection, "{what}: after the cell was revoked");
        let _ = writeln!(table, "| {what} | {} | {} |", before.words(), after.words());
    }
    // Who left the cell before it was revoked is at home where they went.
    let moved = json!({
        "user_id": theft.moved.id(), "device_id": theft.moved.device_id, "access_token": theft.moved.token.clone().unwrap(),
    });
    let moved = theft.cluster.cell("eu1").with_token(&moved);
    assert_eq!(moved.get(&format!("{V3}/account/whoami")).await.ok()["user_id"], moved.id());
    say(&moved, &theft.shared, "from-her-new-home").await;
    let alice = theft.cluster.user("eu1", "alice");
    assert_eq!(read(&alice, &theft.shared).await.len(), before_room + 2, "what she says, and nothing of the thief");
    document::compare(&table);
}
