//! The stolen cell was somebody's home, and tells a third one what they are said to have written there then.

use domicile_core::clock::{DAY_MS, MINUTE_MS};
use domicile_testkit::{
    cluster::{Cluster, Forger},
    server::TestUser,
};
use serde_json::{Value, json};

use super::NOT_KNOWN;
use crate::{
    V3,
    moves::into,
    read, say, shared_of,
    stolen::{raw, tell, transaction},
    until,
};

/// Alice in `eu1`, bob and mia in `ru1`, and carol in `ch1`, who are in a room. Mia moves to `eu1`.
struct Scene {
    cluster: Cluster,
    alice: TestUser,
    bob: TestUser,
    carol: TestUser,
    mia: TestUser,
    room: String,
    /// What mia said while her home was `ru1`.
    said: String,
    like: Value,
}

impl Scene {
    async fn prepare() -> Self {
        let cluster =
            Cluster::of(&["eu", "ru", "ch"]).await.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
        let cluster = cluster.with_user("ru1", "mia").await.with_user("ch1", "carol").await;
        let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
        let (mia, carol) = (cluster.user("ru1", "mia"), cluster.user("ch1", "carol"));
        let room = shared_of(&alice, &bob, json!({ "room_version": "11" })).await;
        for who in [&mia, &carol] {
            alice.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": who.id() })).await.ok();
            until("the invite has come", || async {
                who.post(&format!("{V3}/join/{room}"), &json!({})).await.status.is_success()
            })
            .await;
        }
        let said = say(&mia, &room, "real").await;
        for who in [&alice, &bob, &carol] {
            until("all read it", || async { read(who, &room).await == [said.clone()] }).await;
        }
        let like = raw(&cluster, "ch1", &said).await;
        Self { cluster, alice, bob, carol, mia, room, said, like }
    }

    /// An event of mia's as she could have sent it after the real one, some milliseconds later.
    fn dated(&self, forger: &Forger, later_ms: i64) -> Value {
        let mut like = self.like.clone();
        like["origin_server_ts"] = (like["origin_server_ts"].as_i64().unwrap() + later_ms).into();
        forger.event(&like, self.mia.id())
    }

    /// What `ch1` answers in the end while time passes, and whether it wanted to be told again before: nothing if the event counts, or why not.
    async fn in_the_end(&self, forger: &Forger, id: &str, event: &Value) -> (bool, Option<String>) {
        for number in 0..100 {
            let (status, told) = self.told(forger, &format!("{id}-{number}"), event).await;
            if status == 200 {
                let pdus: Vec<&Value> = told["pdus"].as_object().unwrap().values().collect();
                let [one] = pdus[..] else { panic!("one event was told: {told}") };
                return (number > 0, one["error"].as_str().map(str::to_owned));
            }
            assert_eq!((status, &told["errcode"]), (503, &json!("M_UNKNOWN")), "{told}");
            self.cluster.pass(MINUTE_MS / 4);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{id}: it waits for ever");
    }

    async fn told(&self, forger: &Forger, id: &str, event: &Value) -> (u16, Value) {
        tell(forger, id, &transaction(std::slice::from_ref(event), &[])).await.unwrap()
    }

    /// Carol and bob say something, and read it.
    async fn talk(&self, text: &str) -> [String; 2] {
        let said = [
            say(&self.carol, &self.room, &format!("carol-{text}")).await,
            say(&self.bob, &self.room, &format!("bob-{text}")).await,
        ];
        for who in [&self.carol, &self.bob] {
            until("the room goes on", || async {
                self.cluster.pass(MINUTE_MS);
                let has = read(who, &self.room).await;
                said.iter().all(|one| has.contains(one))
            })
            .await;
        }
        said
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_cell_believes_the_former_home_of_somebody_only_what_their_home_has() {
    let scene = Scene::prepare().await;
    let Scene { cluster, alice, carol, mia, room, .. } = &scene;
    // The last that `ru1` says for her while it may: her new home has it, and the third cell does not.
    let (to_new_home, to_third) = (cluster.forger(Some("ru1"), "eu1"), cluster.forger(Some("ru1"), "ch1"));
    let last = scene.dated(&to_new_home, 1);
    let (status, told) = scene.told(&to_new_home, "last", &last).await;
    assert!(status == 200 && told["pdus"].as_object().unwrap().values().all(|one| one["error"].is_null()), "{told}");
    assert_eq!(read(alice, room).await.len(), 2);
    // Weeks later she moves.
    cluster.pass(14 * DAY_MS);
    into(cluster, "ru1", mia, "eu").await;
    let tickets = &cluster.cell("ch1").services.users.localities().cells().unwrap().tickets;
    assert_eq!(tickets.home(mia.user_id.as_ref().unwrap()).unwrap().as_str(), "eu1", "the third cell knows it");

    // The new home is reached, and does not have it: it is asked for a minute, and then no more.
    let forged = scene.dated(&to_third, 2);
    let (waited, refused) = scene.in_the_end(&to_third, "reached", &forged).await;
    assert_eq!((waited, refused.as_deref()), (true, Some(NOT_KNOWN)));
    cluster.pass(DAY_MS / 2);
    let (waited, refused) = scene.in_the_end(&to_third, "again", &forged).await;
    assert_eq!((waited, refused.as_deref()), (false, Some(NOT_KNOWN)), "for good");
    // What it has counts, whoever tells it.
    assert_eq!(read(carol, room).await, std::slice::from_ref(&scene.said), "this cell did not have it before");
    assert_eq!(scene.in_the_end(&to_third, "last", &last).await, (false, None));
    assert_eq!(read(carol, room).await.len(), 2);

    // While the new home is cut off, it waits, however long that is, and the room goes on.
    cluster.cut_off("eu1");
    let forged = scene.dated(&to_third, 3);
    for number in 0..6 {
        let (status, told) = scene.told(&to_third, &format!("cut-{number}"), &forged).await;
        assert_eq!(status, 503, "{told}");
        cluster.pass(10 * MINUTE_MS);
    }
    let mut talked = scene.talk("cut-off").await.to_vec();
    let (status, told) = scene.told(&to_third, "cut-still", &forged).await;
    assert_eq!(status, 503, "{told}");
    assert_eq!(read(carol, room).await.len(), 4);
    cluster.heal();
    let (waited, refused) = scene.in_the_end(&to_third, "healed", &forged).await;
    assert_eq!((waited, refused.as_deref()), (true, Some(NOT_KNOWN)));
    talked.extend(scene.talk("healed").await);
    until("alice reads what was said meanwhile", || async {
        cluster.pass(MINUTE_MS);
        let has = read(alice, room).await;
        talked.iter().all(|one| has.contains(one))
    })
    .await;
    for who in [alice, carol] {
        assert_eq!(read(who, room).await.len(), 6, "what was said, and nothing of the thief");
    }
}
