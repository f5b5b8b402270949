//! What is stolen, and who tries what with it: the cell `ru1` with bob, in the name of people of `eu1` and of mia who has moved there.

use axum::http::Method;
use domicile_app::moves::bundle::Bundle;
use domicile_testkit::{
    cluster::{Cluster, Forger, Request},
    server::TestUser,
};
use serde_json::{Value, json};

use super::{Aim, Came, FORGED, INNER, Outcome, forged_tickets, tickets_of};
use crate::{V3, moves::into, read, say, shared_of, until};

const FEDERATION: &str = "/_matrix/federation/v1";

pub(super) struct Theft {
    pub(super) cluster: Cluster,
    pub(super) forger: Forger,
    pub(super) alice: TestUser,
    bob: TestUser,
    /// Who was at home in the stolen cell and has moved.
    pub(super) moved: TestUser,
    pub(super) clara: TestUser,
    pub(super) shared: String,
    private: String,
    private_event: String,
    shared_event: String,
    /// Events of alice, of who moved, and of bob.
    like: [Value; 3],
}

impl Theft {
    pub(super) async fn prepare() -> Self {
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
        into(&cluster, "ru1", &moved, "eu").await;
        let (forger, like) = (cluster.forger(Some("ru1"), "eu1"), <[Value; 3]>::try_from(like).unwrap());
        let [.., shared_event] = said;
        Self { cluster, forger, alice, bob, moved, clara, shared, private, private_event, shared_event, like }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value), String> {
        self.forger.ask(Request { origin: "ru1", serial: 2, number: None, method, path, body }).await
    }

    /// What comes of a question whose good answer is a success.
    async fn get(&self, path: String) -> Outcome {
        Outcome::of(&self.ask(Method::GET, &path, None).await)
    }

    async fn post(&self, path: String, body: Value) -> Outcome {
        Outcome::of(&self.ask(Method::POST, &path, Some(&body)).await)
    }

    async fn tell(&self, round: &str, id: &str, pdus: &[Value], edus: &[Value]) -> Result<(u16, Value), String> {
        let body = json!({ "origin": "example.org", "origin_server_ts": 1, "pdus": pdus, "edus": edus });
        self.ask(Method::PUT, &format!("{FEDERATION}/send/{round}-{id}"), Some(&body)).await
    }

    async fn event(&self, round: &str, id: &str, event: Value) -> Outcome {
        match self.tell(round, id, &[event], &[]).await {
            Ok((200, told)) => {
                let pdus: Vec<&Value> = told["pdus"].as_object().unwrap().values().collect();
                let [one] = pdus[..] else { panic!("one event was told: {told}") };
                one["error"].as_str().map_or(Came::Succeeds.into(), |why| Outcome::refused(why.to_owned()))
            }
            answer => Outcome::of(&answer),
        }
    }

    /// Something that passes, in alice's name; whether `seen` finds any of it.
    async fn passing(&self, round: &str, id: &str, edu: Value, seen: impl AsyncFn(&Self) -> bool) -> Outcome {
        match self.tell(round, id, &[], &[edu]).await {
            Ok((200, _)) => {}
            answer => return Outcome::of(&answer),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        if seen(self).await { Came::Succeeds.into() } else { Came::Nothing.into() }
    }

    /// What the directory would have signed to move somebody.
    async fn transfer(&self, user: &TestUser, from: &str, to: &str) -> Outcome {
        let user_id = user.user_id.as_ref().unwrap();
        let tickets = &self.cluster.cell("eu1").services.users.localities().cells().unwrap().tickets;
        let history = tickets.get(user_id).unwrap();
        let last = history.tickets().last().unwrap();
        let signature = self.forger.lets_go(user_id, (from, to), (last.epoch, &last.hash()));
        let authority = json!({ "by": "home", "signature": signature });
        let body = json!({ "user_id": user_id, "from": from, "to": to, "authority": authority });
        self.post(format!("{INNER}/names/transfer"), body).await
    }

    async fn look_up(&self, user: &TestUser) -> Outcome {
        self.list("names/look_up", json!({ "user_ids": [user.id()] }), "tickets").await
    }

    /// What comes of a question for a list.
    async fn list(&self, path: &str, question: Value, what: &str) -> Outcome {
        match self.ask(Method::POST, &format!("{INNER}/{path}"), Some(&question)).await {
            Ok((200, told)) if told[what] == json!([]) => Came::Nothing.into(),
            answer => Outcome::of(&answer),
        }
    }

    pub(super) async fn attempt(&self, aim: Aim, round: &str) -> Outcome {
        let (alice, bob) = (self.alice.id(), self.bob.id());
        let (shared, private, event) = (&self.shared, &self.private, &self.private_event);
        match aim {
            Aim::Pose => {
                let (method, path) = (Method::GET, format!("{FEDERATION}/event/{}", self.shared_event));
                let request = Request { origin: "eu1", serial: 2, number: None, method, path: &path, body: None };
                Outcome::of(&self.forger.ask(request).await)
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
            Aim::TakeOver => self.take_over(round).await,
            Aim::Present => {
                let alice_id = self.alice.user_id.as_ref().unwrap();
                let forged = forged_tickets((&self.cluster, &self.forger), ("eu1", alice_id), "ru1");
                let present = json!({ "tickets": forged.concat(), "last": true });
                self.post(format!("{INNER}/restore/present"), present).await
            }
            Aim::ReadReport => self.post(format!("{INNER}/evidence/report"), json!({})).await,
            Aim::ReadShared => {
                self.get(format!("{FEDERATION}/state_ids/{shared}?event_id={}", self.shared_event)).await
            }
        }
    }

    async fn letter(&self, round: &str) -> Outcome {
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

    async fn typing(&self, round: &str) -> Outcome {
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

    async fn device(&self, round: &str) -> Outcome {
        let content = json!({ "user_id": self.alice.id(), "device_id": "FORGED", "stream_id": 9_999_999, "prev_id": [],
            "device_display_name": FORGED, "keys": { "user_id": self.alice.id(), "device_id": "FORGED", "algorithms": [],
            "keys": {}, "signatures": {} } });
        let seen = async |theft: &Self| {
            let keys = json!({ "device_keys": { theft.alice.id(): [] } });
            theft.clara.post(&format!("{V3}/keys/query"), &keys).await.ok().to_string().contains("FORGED")
        };
        self.passing(round, "device", json!({ "edu_type": "m.device_list_update", "content": content }), seen).await
    }

    async fn keys_of_stranger(&self) -> Outcome {
        let question = json!({ "device_keys": { self.clara.id(): [] } });
        match self.ask(Method::POST, &format!("{FEDERATION}/user/keys/query"), Some(&question)).await {
            Ok((200, told)) if !told.to_string().contains(self.clara.id()) => Came::Nothing.into(),
            answer => Outcome::of(&answer),
        }
    }

    /// Brings bob into the cell as a move does, but for the directory: it is not asked.
    async fn take_over(&self, round: &str) -> Outcome {
        let bob = self.bob.user_id.as_ref().unwrap();
        let about = json!({ "move_id": format!("{FORGED}{round}"), "user_id": bob });
        let begin = json!({ "about": about, "tickets": tickets_of(&self.cluster, "eu1", bob), "rooms": [] });
        let begun = self.post(format!("{INNER}/moves/begin"), begin).await;
        if begun.came == Came::NoConnection {
            return begun;
        }
        let bundle = Bundle::default();
        let vault = json!({ "about": about, "digest": bundle.digest().unwrap(), "bundle": bundle });
        let brought = self.post(format!("{INNER}/moves/vault"), vault).await;
        assert_eq!((begun.came, brought.came), (Came::Succeeds, Came::Succeeds), "{} {}", begun.why, brought.why);
        let mut told = vec![Vec::new(), tickets_of(&self.cluster, "eu1", bob)];
        told.extend(forged_tickets((&self.cluster, &self.forger), ("eu1", bob), "eu1"));
        let mut outcomes = Vec::new();
        for tickets in told {
            let home = json!({ "about": about, "tickets": tickets });
            outcomes.push(self.post(format!("{INNER}/moves/home"), home).await);
        }
        assert!(outcomes.iter().all(|one| *one == outcomes[0]), "{outcomes:?}");
        outcomes.remove(0)
    }
}
