//! Incidents that open, go on and end by themselves, from registers and probes; whom of the operator and of the people they reach.

#![expect(clippy::expect_used, reason = "helpers of tests, which end them")]

use domicile_app::standing::{alerts::Alert, incidents::Incident};
use domicile_core::{
    clock::{Clock, DAY_MS, HOUR_MS},
    config::{Blocklist, Duration},
    ids::UserNum,
};
use domicile_store::{
    Batch,
    table::{
        incidents,
        probes::{self, ProbeResult, ProbeRun},
    },
};
use domicile_testkit::server::{Settings, TestServer};
use serde_json::json;

const NAME: &str = "russia";
const ENTRY: &str = ";matrix.example.org;;Роскомнадзор;12-34/56;2026-05-20\n";
const JURISDICTION: &str = "/_matrix/client/unstable/org.domicile/jurisdiction";

struct World {
    server: TestServer,
    folder: tempfile::TempDir,
    run: i64,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = Settings::default();
        let config = &mut settings.config;
        config.server.data_dir = folder.path().display().to_string();
        config.server.also_reached_at = vec!["matrix.example.org".to_owned()];
        config.blocklists = vec![Blocklist {
            name: NAME.to_owned(),
            authority: "a mirror".to_owned(),
            jurisdiction: "RU".to_owned(),
            format: "ru-csv".to_owned(),
            sources: vec![folder.path().join("dump.csv").display().to_string()],
            hashes: Vec::new(),
            every: Duration(6 * HOUR_MS),
            max_age: Duration(400 * DAY_MS),
        }];
        let server = TestServer::with_settings(settings).await.with_user("alice").await.with_user("bob").await;
        server.user("bob").put(JURISDICTION, &json!({ "jurisdiction": "RU" })).await.ok();
        let world = Self { server, folder, run: 0 };
        world.dump("").await;
        world
    }

    /// Another dump of the register, which is read.
    async fn dump(&self, entries: &str) {
        let text = format!("Updated: 2026-05-28 10:00:00 +0000\n;other.example;;x;1;2026-05-01\n{entries}");
        std::fs::write(self.folder.path().join("dump.csv"), text).expect("a file");
        self.server.clock.advance(1_000);
        self.server.admin.blocklists.fetch(NAME, false).await.expect("a look at the register");
        self.look().await;
    }

    /// A probe from Russia.
    async fn probe(&mut self, verdict: &str) {
        self.run += 1;
        self.server.clock.advance(1_000);
        let started_ts = self.server.clock.now_ms();
        let run = ProbeRun {
            run_num: self.run,
            vantage_num: probes::OWN,
            started_ts,
            may_publish: false,
            report: "{}".to_owned(),
        };
        let result = ProbeResult {
            run_num: self.run,
            ordinal: 0,
            vantage_num: probes::OWN,
            started_ts,
            host: "matrix.example.org".to_owned(),
            port: 443,
            verdict: verdict.to_owned(),
            evidence: "[\"a reset after the name\"]".to_owned(),
            rate: None,
            control_rate: None,
            country: Some("RU".to_owned()),
        };
        let mut batch = Batch::new();
        probes::insert(&mut batch, run, vec![result]);
        self.server.store.write(batch).await.expect("a write");
        self.look().await;
    }

    async fn look(&self) {
        self.server.admin.standing.signs.look().await.expect("a look at signs");
    }

    async fn incidents(&self) -> Vec<Incident> {
        self.server.admin.standing.incidents.list().await.expect("incidents")
    }

    async fn alerts(&self) -> Vec<Alert> {
        self.server.admin.standing.alerts.list().await.expect("alerts")
    }
}

#[tokio::test]
async fn a_listing_opens_an_incident_a_probe_confirms_it_and_the_next_dump_and_probes_end_it() {
    let mut world = Box::pin(World::new()).await;
    assert!(world.incidents().await.is_empty() && world.alerts().await.is_empty());

    world.dump(ENTRY).await;
    world.look().await;
    let opened = world.incidents().await.remove(0);
    assert_eq!(
        (opened.sign.as_str(), opened.kind.as_str(), opened.state.as_str()),
        ("access:RU", "listed", "first_sign")
    );
    assert!(!opened.is_public && opened.updates.len() == 1, "{opened:?}");
    let note = opened.updates[0].note.clone().expect("a note");
    assert_eq!(
        note,
        "matrix.example.org is listed in the register russia (Роскомнадзор, decision 12-34/56 of 2026-05-20)."
    );
    let alert = world.alerts().await.remove(0);
    assert_eq!((alert.kind.as_str(), alert.code.as_deref()), ("listed", Some("RU")));
    assert!(
        alert.what.contains("decision 12-34/56 of 2026-05-20") && alert.what.contains("(first sign)"),
        "{}",
        alert.what
    );

    world.probe("sni_reset").await;
    let confirmed = world.incidents().await.remove(0);
    assert_eq!((confirmed.incident, confirmed.state.as_str()), (opened.incident, "confirmed"));
    assert!(world.alerts().await[0].what.contains("sni_reset"), "{:?}", world.alerts().await);

    world.dump("").await;
    assert_eq!(world.incidents().await[0].state, "confirmed");
    for _ in 0..3 {
        world.probe("ok").await;
    }
    let over = world.incidents().await;
    assert_eq!((over.len(), over[0].state.as_str()), (1, "resolved"));
    assert!(world.alerts().await.is_empty());
    let last = over[0].updates.last().expect("an update");
    assert!(last.words.is_empty() && last.told == 0, "nobody was told anything: {last:?}");
    let before = over[0].updates.len();
    world.look().await;
    assert_eq!(world.incidents().await[0].updates.len(), before);
}

#[tokio::test]
async fn whoever_was_told_is_told_the_end_once() {
    let mut world = Box::pin(World::new()).await;
    world.dump(ENTRY).await;
    let standing = &world.server.admin.standing;
    let number = world.incidents().await[0].incident;
    let words =
        json!({ "words": { "en": "We are on a list." }, "is_public": true, "who": "Ada", "state": null, "note": null });
    let update = serde_json::from_value(words).expect("an update");
    standing.incidents.update(number, update).await.expect("an update");
    assert_eq!(standing.notices.tell(number, false).await.expect("notices").told, 1);

    world.dump("").await;
    for _ in 0..2 {
        world.look().await;
    }
    let over = world.incidents().await.remove(0);
    let last = over.updates.last().expect("an update");
    assert_eq!((over.state.as_str(), last.told), ("resolved", 1), "{over:?}");
    assert!(["en", "de", "ru", "zh"].iter().all(|language| last.words.contains_key(*language)), "{:?}", last.words);
    let bob = world.server.user("bob");
    let sync = bob.get("/_matrix/client/v3/sync").await.ok();
    let room = sync["rooms"]["invite"].as_object().expect("invites").keys().next().expect("an invite").clone();
    bob.post(&format!("/_matrix/client/v3/join/{room}"), &json!({})).await.ok();
    let messages = bob.get(&format!("/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=10")).await.ok();
    let texts: Vec<&str> = messages["chunk"]
        .as_array()
        .expect("events")
        .iter()
        .filter_map(|event| event["content"]["body"].as_str())
        .collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("закончилось") && texts[1].contains("We are on a list."), "{texts:?}");
    assert!(world.server.user("alice").get("/_matrix/client/v3/sync").await.ok()["rooms"]["invite"].is_null());
    world.probe("ok").await;
    assert_eq!(world.incidents().await.len(), 1);
}

#[tokio::test]
async fn an_end_that_nobody_could_be_told_of_is_told_later() {
    let world = Box::pin(World::new()).await;
    world.dump(ENTRY).await;
    let number = world.incidents().await[0].incident;
    let update = world.incidents().await[0].updates[0].update;
    // As if notices had been written before a crash.
    let mut batch = Batch::new();
    incidents::note_told(&mut batch, update, UserNum(1), "en", world.server.clock.now_ms());
    world.server.store.write(batch).await.expect("a write");
    world.dump("").await;
    world.look().await;
    let last = world.incidents().await[0].updates.last().expect("an update").clone();
    assert_eq!((world.incidents().await[0].incident, last.told), (number, 1));
}

#[tokio::test]
async fn a_register_that_is_damaged_clears_nobody_and_is_its_own_alert() {
    let world = Box::pin(World::new()).await;
    world.dump(ENTRY).await;
    std::fs::remove_file(world.folder.path().join("dump.csv")).expect("the file is there");
    world.server.clock.advance(HOUR_MS);
    world.server.admin.blocklists.fetch(NAME, false).await.expect("a look");
    world.look().await;
    assert_eq!(world.incidents().await[0].state, "first_sign");
    let kinds: Vec<String> = world.alerts().await.into_iter().map(|alert| alert.kind).collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert!(kinds.contains(&"register".to_owned()) && kinds.contains(&"listed".to_owned()), "{kinds:?}");
}
