//! A deployment that has lived for a month, so that pages have something to show: cells in three regions, accounts, demands, incidents, a register that
//! listed it, probes of which some were interfered with, a ledger, people who move. All of it is made up, and always the same.

#![expect(clippy::missing_panics_doc, clippy::expect_used, reason = "a fixture that fails ends its user")]

mod moves;
mod papers;

use std::path::Path;

use domicile_app::{
    admin::operators::{Regions, Role},
    evidence::{
        access_log::{Look, Operator, What},
        ledger::{Flow, OUTER},
    },
    standing::{
        demands::{Answered, NewDemand, Outcome},
        dossiers::{Change, NewContact},
        incidents::{FirstUpdate, IncidentKind, IncidentState, NewIncident, NewUpdate},
    },
};
use domicile_core::{
    clock::{Clock, DAY_MS, HOUR_MS},
    config::{Blocklist, Config, Duration},
};

use serde_json::json;

use crate::{
    cluster::Cluster,
    server::{Probed, Settings, TestServer},
};

pub use papers::papers;

/// Who is an editor, and who is a reader.
pub const OPERATORS: [&str; 2] = ["Ada", "Ben"];
/// The password of all operators.
pub const PASSWORD: &str = "correct horse battery staple";
/// Whose page a user's own page is shown as.
pub const USER: &str = "alice";

/// The days that it has lived.
const DAYS: i64 = 30;
const REGISTER: &str = "russia";
const LISTED: &str = ";matrix.example.org;;Роскомнадзор;27-31-2026/Ид4821-26;2026-06-12\n";

/// The cell whose pages are shown.
pub const CELL: &str = "eu1";
/// Cells, with their regions.
const CELLS: [(&str, &str); 4] = [(CELL, "eu"), ("eu2", "eu"), ("ch1", "ch"), ("ru1", "ru")];
/// People, with their cells and under whose law they live.
const PEOPLE: [(&str, &str, &str); 9] = [
    (USER, CELL, "DE"),
    ("bob", CELL, "DE"),
    ("carol", CELL, "FR"),
    ("elena", CELL, "RU"),
    ("farid", CELL, ""),
    ("greta", "ch1", "CH"),
    ("hanna", "eu2", "NL"),
    ("ines", "ch1", "DE"),
    ("dmitri", "ru1", "RU"),
];

/// The deployment, with the register of its first cell in `folder`.
pub async fn showcase(folder: &Path) -> Cluster {
    let place = folder.to_owned();
    let own = move |cell: &str, settings| if cell == CELL { own(&place, settings) } else { settings };
    let mut cluster = Cluster::with_own(&CELLS, "encrypted_only", document, own).await;
    for (name, cell, code) in PEOPLE {
        cluster = cluster.with_user(cell, name).await;
        let server = cluster.cell(cell);
        let user_id = server.user(name).user_id.expect("an id");
        if !code.is_empty() {
            server.services.jurisdictions.state(&user_id, Some(code), "contract").await.expect("a jurisdiction");
        }
    }
    let server = cluster.cell(CELL);
    let operators = &server.admin.operators;
    operators.add(OPERATORS[0], PASSWORD.to_owned(), Role::Editor, Regions::All).await.expect("an operator");
    operators.add(OPERATORS[1], PASSWORD.to_owned(), Role::Reader, Regions::All).await.expect("an operator");
    dossiers(server).await;
    rooms(&cluster).await;
    for day in 0..DAYS {
        day_of(server, folder, day).await;
        cluster.pass(DAY_MS);
    }
    moves::moves(&cluster).await;
    server.admin.evidence.audits.run().await.expect("an audit");
    cluster.pass(HOUR_MS);
    server.services.status.refresh().await.expect("a status page");
    cluster
}

/// The document as an operator would have it.
fn document(text: &str) -> String {
    let mut text = text.replace(
        "rule = \"encrypted_only\"\n",
        "rule = \"encrypted_only\"\nbasis = \"Assessed with counsel, file 12/2026\"\n",
    );
    for (code, jurisdictions) in [("eu", "[\"DE\", \"FR\", \"NL\"]"), ("ch", "[\"CH\"]"), ("ru", "[\"RU\"]")] {
        let bare = format!("code = \"{code}\"\njurisdictions = []");
        let name = format!("provider = \"{code}.chat.example.org\"");
        text = text.replace(&bare, &format!("code = \"{code}\"\n{name}\njurisdictions = {jurisdictions}"));
    }
    text
}

fn own(folder: &Path, settings: Settings) -> Settings {
    let mut config = Config::default();
    config.server.data_dir = folder.display().to_string();
    "example.org".clone_into(&mut config.server.name);
    "https://matrix.example.org".clone_into(&mut config.server.public_url);
    config.server.support_contacts = vec!["mailto:help@example.org".to_owned()];
    "Verein Beispiel e. V.".clone_into(&mut config.standing.operator);
    config.standing.stored_in = vec!["DE".to_owned()];
    config.standing.established_in = vec!["DE".to_owned()];
    config.blocklists = vec![Blocklist {
        name: REGISTER.to_owned(),
        authority: "a mirror of the register".to_owned(),
        jurisdiction: "RU".to_owned(),
        format: "ru-csv".to_owned(),
        sources: vec![folder.join("dump.csv").display().to_string()],
        hashes: Vec::new(),
        every: Duration(6 * HOUR_MS),
        max_age: Duration(400 * DAY_MS),
    }];
    Settings { config, ..settings }
}

/// What happened on a day.
async fn day_of(server: &TestServer, folder: &Path, day: i64) {
    let is_listed = (16..20).contains(&day) || day >= 27;
    if [0, 16, 20, 27].contains(&day) {
        let lines = if is_listed { LISTED } else { "" };
        let register = format!("Updated: 2026-05-28 10:00:00 +0000\n;other.example;;x;1;2026-05-01\n{lines}");
        std::fs::write(folder.join("dump.csv"), register).expect("a register");
        server.admin.blocklists.fetch(REGISTER, true).await.expect("a look at the register");
    }
    crossings(server, day);
    probes(server, day, is_listed).await;
    let standing = &server.admin.standing;
    match day {
        3 => {
            let number = outage(server).await;
            server.clock.advance(2 * HOUR_MS);
            let update =
                update(IncidentState::Resolved, "The disk was replaced. Nothing was lost.", "fsck found nothing");
            standing.incidents.update(number, update).await.expect("an update");
        }
        11 => {
            let number =
                demand(server, ("DE", "Amtsgericht Musterstadt", "§ 100g StPO"), "Who is @bob:example.org?", 3).await;
            let given = [("account".to_owned(), 182)].into();
            let decision = "The order is signed and names one account. Given: the day on which it was made.".to_owned();
            let answered = Answered { outcome: Outcome::Partly, decision, who: OPERATORS[0].to_owned(), given };
            standing.demands.answer(number, answered).await.expect("an answer");
        }
        25 => {
            let scope = "All messages of @elena:example.org since 1 May, and the keys to read them.";
            demand(server, ("RU", "Роскомнадзор", "149-ФЗ, ст. 10.1"), scope, 4).await;
        }
        28 => {
            let scope = "The address from which @alice:example.org last signed in.";
            demand(server, ("DE", "Polizeipräsidium Musterstadt", "§ 22 TDDDG"), scope, 14).await;
            blocked(server).await;
        }
        _ => {}
    }
}

/// Rooms of the user, of which one is open to the servers' eyes, and an operator who looked at her devices.
async fn rooms(cluster: &Cluster) {
    let (server, user) = (cluster.cell(CELL), cluster.user(CELL, USER));
    let (bob, dmitri, greta) = (cluster.user(CELL, "bob"), cluster.user("ru1", "dmitri"), cluster.user("ch1", "greta"));
    for (name, preset, encrypted, others) in [
        ("Board of the club", "private_chat", true, vec![&bob, &dmitri, &greta]),
        ("Summer party", "private_chat", true, vec![&bob, &dmitri]),
        // What is not encrypted does not leave the region.
        ("Announcements", "public_chat", false, vec![&bob]),
    ] {
        let encryption = json!([{ "type": "m.room.encryption", "state_key": "", "content": { "algorithm": "m.megolm.v1.aes-sha2" } }]);
        let state = if encrypted { encryption } else { json!([]) };
        let wanted = json!({ "name": name, "preset": preset, "initial_state": state });
        let room = user.post("/_matrix/client/v3/createRoom", &wanted).await.ok();
        let room = room["room_id"].as_str().expect("a room").to_owned();
        for other in others {
            user.post(&format!("/_matrix/client/v3/rooms/{room}/invite"), &json!({ "user_id": other.id() })).await.ok();
            other.post(&format!("/_matrix/client/v3/join/{room}"), &json!({})).await.ok();
        }
    }
    let user_num = server.services.accounts.local_num(&user.user_id.expect("an id")).await.expect("a number");
    let by = Operator { name: OPERATORS[0].to_owned(), uid: None };
    let reason = Some("She asked which of her devices is signed in.".to_owned());
    server.services.access_log.note(user_num, Look { by, what: What::Devices, reason }).await.expect("an entry");
}

/// More on weekdays, and more each week.
fn crossings(server: &TestServer, day: i64) {
    let amount = |share: i64| {
        let weekday = if day % 7 >= 5 { 1 } else { 3 };
        usize::try_from(share * (20 + day) * weekday).unwrap_or_default()
    };
    let ledger = &server.services.ledger;
    for (flow, share, each) in [
        (Flow::Events, 9, 900),
        (Flow::Ephemeral, 14, 160),
        (Flow::Keys, 2, 1_400),
        (Flow::Membership, 1, 2_600),
        (Flow::Profiles, 1, 300),
        (Flow::Media, 1, 24_000),
    ] {
        ledger.add(OUTER, flow, amount(share), amount(share) * each);
    }
}

async fn probes(server: &TestServer, day: i64, is_listed: bool) {
    for hour in [0, 6, 12, 18] {
        let at = server.clock.now_ms() + hour * HOUR_MS;
        let number = day * 24 + hour + 1;
        let (verdict, evidence): (&str, &[&str]) = match (is_listed, day % 11, hour) {
            (true, ..) => (
                "sni_reset",
                &[
                    "TLS with the name matrix.example.org was reset 31 ms after it was said, three times of three",
                    "TLS with a neutral name and without one came to its end",
                ],
            ),
            (false, 7, 12) => ("inconclusive", &["one of three handshakes was not answered within 10 s"]),
            _ => ("ok", &["the name, the address, the certificate and the page are as they should be"]),
        };
        let rates = (Some(if is_listed { 0 } else { 1_900_000 }), Some(2_100_000));
        server.probed(number * 10, Probed { at, host: "matrix.example.org", verdict, evidence, rates }).await;
        let evidence = ["the name, the address, the certificate and the page are as they should be"];
        let seen = Probed { at, host: "example.org", verdict: "ok", evidence: &evidence, rates };
        server.probed(number * 10 + 1, seen).await;
    }
}

async fn demand(server: &TestServer, who: (&str, &str, &str), scope: &str, days: i64) -> i64 {
    let (code, authority, basis) = who;
    let new = NewDemand {
        code: code.to_owned(),
        authority: authority.to_owned(),
        reference: Some(format!("{}/26", server.clock.now_ms() / DAY_MS % 1_000)),
        basis: basis.to_owned(),
        scope: scope.to_owned(),
        duty: None,
        received_ts: None,
        due_ts: Some(server.clock.now_ms() + days * DAY_MS),
        who: OPERATORS[0].to_owned(),
    };
    server.admin.standing.demands.add(new).await.expect("a demand").demand
}

fn update(state: IncidentState, said: &str, note: &str) -> NewUpdate {
    NewUpdate {
        state: Some(state),
        words: [("en".to_owned(), said.to_owned())].into(),
        note: Some(note.to_owned()),
        is_public: Some(true),
        who: OPERATORS[0].to_owned(),
    }
}

async fn outage(server: &TestServer) -> i64 {
    let words = [("en".to_owned(), "Messages are delayed. We look into it.".to_owned())].into();
    let first =
        FirstUpdate { words, note: Some("a disk fails".to_owned()), is_public: true, who: OPERATORS[0].to_owned() };
    let new = NewIncident { kind: IncidentKind::Outage, code: None, first };
    server.admin.standing.incidents.open(new).await.expect("an incident").incident
}

async fn blocked(server: &TestServer) {
    let words = [
        ("en", "Connections from Russia are reset by a third party. Other addresses work; your messages wait for you."),
        ("ru", "Соединения из России обрываются третьей стороной. Другие адреса работают; сообщения вас дождутся."),
        ("de", "Verbindungen aus Russland werden von Dritten abgebrochen. Andere Adressen funktionieren."),
    ];
    let words = words.into_iter().map(|(language, text)| (language.to_owned(), text.to_owned())).collect();
    // A block page as it was found, with what it would have run.
    let note = "Listed by 27-31-2026/Ид4821-26. The page that comes instead:\n<html><script>alert('blocked')</script><h1>Доступ ограничен</h1>";
    let first = FirstUpdate { words, note: Some(note.to_owned()), is_public: true, who: OPERATORS[0].to_owned() };
    let new = NewIncident { kind: IncidentKind::Unreachable, code: Some("RU".to_owned()), first };
    let incidents = &server.admin.standing.incidents;
    let number = incidents.open(new).await.expect("an incident").incident;
    let words = "The second address is reachable from all providers that we could ask.";
    incidents
        .update(number, update(IncidentState::Confirmed, words, "probes of two vantages agree"))
        .await
        .expect("an update");
}

async fn dossiers(server: &TestServer) {
    let dossiers = &server.admin.standing.dossiers;
    let now_ms = server.clock.now_ms();
    let change = Change {
        status: Some("draft".to_owned()),
        legal_entity: Some("Verein Beispiel e. V.".to_owned()),
        note: Some("The counsel's answer is awaited: filing switches on storage and the user register.".to_owned()),
        next_action: Some("Decide whether to file, with the board".to_owned()),
        next_due_ts: Some(now_ms + 33 * DAY_MS),
        ..Change::default()
    };
    dossiers.set("RU", change, OPERATORS[0]).await.expect("a dossier");
    for (role, address, is_public) in
        [("security", "security@example.org", true), ("authority", "legal@example.org", false)]
    {
        let contact = NewContact { address: address.to_owned(), is_public, person: None };
        dossiers.set_contact("RU", role, contact, OPERATORS[0]).await.expect("a contact");
    }
    let change = Change {
        status: Some("registered".to_owned()),
        legal_entity: Some("Verein Beispiel e. V.".to_owned()),
        registered_ts: Some(now_ms - 200 * DAY_MS),
        expires_ts: Some(now_ms + 165 * DAY_MS),
        number: Some("EU-2025-0412".to_owned()),
        ..Change::default()
    };
    dossiers.set("EU", change, OPERATORS[1]).await.expect("a dossier");
    dossiers.attach("EU", "confirmation.pdf", &"3f9a1c07".repeat(8), 48_213, OPERATORS[1]).await.expect("a document");
}
