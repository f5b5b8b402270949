//! What the files of the other cells hold of somebody in a region that withholds profiles and lets only what is encrypted cross: the Matrix id, that
//! says nothing, and ciphertext. Each file is searched, with what the engine writes ahead, what it has freed, logs at their most talkative and a
//! backup. It is so if their client is at their home's address, and if it is at the other cell's, through which all that they say passes then.

mod search;

use std::path::Path;

use domicile_core::rng::{Rng as _, SeededRng};
use domicile_testkit::plays::cells::{Cell, Deployment, NAME, Plan};
use serde_json::{Value, json};

use super::{
    PROGRAM,
    person::{Client, Person},
    text,
};
use search::{Kept, Wanted, audited, back_up, with_others};

const PASSWORD: &str = "correct horse battery staple";
/// The client of those of whom nothing is looked for.
const OTHER: Client = Client { from: "192.0.2.1", agent: "other", device: "telephone" };
/// The one of the person of whom everything is.
const CLIENT: Client = Client { from: "198.51.100.77", agent: "planted-agent-Xae", device: "planted-device-Ohx" };
const NAME_SHOWN: &str = "Planted Name Aeg";
const PLANTED_PASSWORD: &str = "planted password Wai";
const WRONG_PASSWORD: &str = "planted mistake Eiw";
const REFUSED: &str = "planted words that were refused";
const FILE: (&str, &str) = ("planted-file-Vie", "planted-content-Koh");
const SECRET_FILE: &str = "planted-secret-file-Ruo";
const SECRET_KIND: &str = "application/octet-stream";
/// What is in the files of the person's home, and in no others.
const AT_HOME: [&str; 6] = [
    NAME_SHOWN,
    "planted-mail@example.net",
    "planted words in the clear",
    "planted topic of a room at home",
    "planted-filter-Nae",
    "plantedBackupQuoXyz",
];
/// What the home has and shows its owner, and has sealed in its files.
const SEALED: [&str; 5] = [CLIENT.device, CLIENT.from, FILE.0, FILE.1, SECRET_FILE];
/// What no cell keeps.
const NOWHERE: [&str; 4] = [CLIENT.agent, PLANTED_PASSWORD, WRONG_PASSWORD, REFUSED];
/// Stands in every copy of the room: a search that does not find it there is none.
const CIPHER: &str = "plantedCipherThatMayCross";
/// All tables in which the other cell has rows of somebody elsewhere: the Matrix id, and which devices have which keys.
const MAY_CROSS: [&str; 2] = ["users", "device_list_copies"];

/// How the person comes to their home.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Own,
    /// The other cell's, which passes on what they ask.
    Other,
}

/// Somebody with something in every corner of their own cell. Gives where the file is.
fn settle(carol: &Person, neighbour: &Person) -> String {
    let id = &carol.id;
    carol.does("PUT", &format!("profile/{id}/displayname"), &json!({ "displayname": NAME_SHOWN }));
    let contact = format!("user/{id}/account_data/org.example.contact");
    carol.does("PUT", &contact, &json!({ "mail": AT_HOME[1] }));
    let room = carol.makes_room(&json!({ "preset": "public_chat", "topic": AT_HOME[3], "invite": [neighbour.id] }));
    neighbour.does("POST", &format!("join/{room}"), &json!({}));
    let said = json!({ "msgtype": "m.text", "body": AT_HOME[2] });
    carol.does("PUT", &format!("rooms/{room}/send/m.room.message/t1"), &said);
    carol.does("POST", &format!("user/{id}/filter"), &json!({ "event_fields": [AT_HOME[4]] }));
    let version = json!({
        "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": { "public_key": "abcd", "signatures": {} },
    });
    carol.does("POST", "room_keys/version", &version);
    let key = json!({
        "first_message_index": 0, "forwarded_count": 0, "is_verified": false,
        "session_data": { "ephemeral": "abcd", "ciphertext": AT_HOME[5], "mac": "abcd" },
    });
    carol.does("PUT", &format!("room_keys/keys/!x:{NAME}/session?version=1"), &key);
    let file = carol.uploads(FILE.0, "text/plain", FILE.1.as_bytes());
    carol.sees("sync");
    file
}

/// Says something encrypted. Gives the event.
fn encrypts(carol: &Person, room: &str, number: usize) -> String {
    let secret = json!({
        "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": format!("{CIPHER}{number}"), "session_id": "s",
        "device_id": "D", "sender_key": "k",
    });
    let sent = carol.does("PUT", &format!("rooms/{room}/send/m.room.encrypted/t{number}"), &secret);
    text(&sent, "event_id").to_owned()
}

fn reads(alice: &Person, room: &str, event: &str) {
    until("alice reads it", || alice.asks("GET", &format!("rooms/{room}/event/{event}"), &Value::Null).status == 200);
}

/// They share a room with somebody of the other cell, and talk.
fn share(alice: &Person, carol: &Person) -> String {
    let room = alice.makes_room(&json!({ "preset": "private_chat", "invite": [carol.id] }));
    carol.does("POST", &format!("join/{room}"), &json!({}));
    let event = encrypts(carol, &room, 1);
    let in_clear = json!({ "msgtype": "m.text", "body": REFUSED });
    let refused = carol.asks("PUT", &format!("rooms/{room}/send/m.room.message/t2"), &in_clear);
    assert_eq!(refused.status, 403, "{}", refused.body());
    reads(alice, &room, &event);
    // What passes is shown, and not kept.
    carol.asks("POST", &format!("rooms/{room}/receipt/m.read/{event}"), &json!({}));
    carol.asks("PUT", &format!("rooms/{room}/typing/{}", carol.id), &json!({ "typing": true, "timeout": 10_000 }));
    // The name is changed while they are in the room: memberships are written anew, without it.
    for name in ["Somebody Else", NAME_SHOWN] {
        carol.does("PUT", &format!("profile/{}/displayname", carol.id), &json!({ "displayname": name }));
    }
    room
}

/// Somebody in the other cell looks at them in every way that a client has.
fn look(alice: &Person, carol: &Person, room: &str) {
    let profile = alice.asks("GET", &format!("profile/{}", carol.id), &Value::Null);
    let members = alice.sees(&format!("rooms/{room}/members"));
    let states: Vec<&Value> =
        members["chunk"].as_array().unwrap().iter().filter(|event| event["state_key"] == carol.id.as_str()).collect();
    assert_eq!(states.len(), 1, "{members}");
    assert!(profile.status == 200 || profile.status == 403, "{}", profile.body());
    let keys = json!({ "device_keys": { carol.id.clone(): [] } });
    let keys = alice.does("POST", "keys/query", &keys);
    assert!(!keys.to_string().contains(CLIENT.device), "a device's name is its owner's alone: {keys}");
    alice.does("POST", "user_directory/search", &json!({ "search_term": "planted" }));
    alice.sees("sync");
    let unread = json!({ "search_categories": { "room_events": { "search_term": "planted" } } });
    alice.asks("POST", "search", &unread);
}

/// A file as encrypted rooms have them: its address and key are in the ciphertext of an event. Large enough to be passed in several ways.
fn secret_file() -> Vec<u8> {
    let mut bytes = vec![0; (1 << 20) + 4_321];
    SeededRng::new(7).fill(&mut bytes);
    bytes
}

/// An encrypted file is sent to somebody in the other cell, who opens it twice, and tries the one that is not. None of it is kept there.
fn attach(deployment: &Deployment, alice: &Person, carol: &Person, room: &str, in_clear: &str) -> String {
    let (eu, ru) = (deployment.cell("eu1").unwrap(), deployment.cell("ru1").unwrap());
    let (content, before) = (secret_file(), (Kept::by(eu), Kept::by(ru)));
    let place = carol.uploads(SECRET_FILE, SECRET_KIND, &content);
    let event = encrypts(carol, room, 3);
    reads(alice, room, &event);
    for by in [alice, alice, carol] {
        let got = by.downloads(&place).ok("download");
        assert!(got.bytes == content && got.head.contains(SECRET_FILE), "{}", got.head);
    }
    alice.asks_thumbnail(&place);
    for refused in [alice.downloads(in_clear), alice.asks_thumbnail(in_clear)] {
        assert_eq!(refused.status, 403, "{}", refused.body());
    }
    assert_eq!(Kept::by(eu), before.0, "nothing of it is kept where it was looked at");
    // And what is kept is counted: at home, and of somebody whose home the other cell is.
    let another: Vec<u8> = content.iter().rev().copied().collect();
    for (cell, before, by) in [(ru, before.1, None), (eu, before.0, Some(alice))] {
        by.map(|by| by.uploads("mine", SECRET_KIND, &another));
        let kept = Kept::by(cell);
        assert_eq!((kept.files, kept.rows), (before.files + 1, before.rows + 1), "{kept:?}");
        assert!(kept.bytes >= before.bytes + content.len() as u64, "{kept:?}");
    }
    place
}

/// The person comes, at one of the doors. Gives what else must not be found.
fn come(deployment: &Deployment, door: Door) -> (Person, Vec<String>) {
    let ru = deployment.cell("ru1").unwrap();
    if door == Door::Own {
        let carol = CLIENT.register(ru, None, PLANTED_PASSWORD);
        let token = carol.token.clone();
        return (carol, vec![token]);
    }
    let eu = deployment.cell("eu1").unwrap();
    let id = OTHER.register(ru, None, PLANTED_PASSWORD).id;
    assert_eq!(CLIENT.tries(eu, &id, WRONG_PASSWORD).status, 403);
    let session = CLIENT.tries(eu, &id, PLANTED_PASSWORD).ok("login").body();
    let refresh_token = text(&session, "refresh_token");
    let mut carol = CLIENT.signed_in(eu, &session);
    let mut tokens = vec![carol.token.clone(), refresh_token.to_owned()];
    carol.refreshes(refresh_token);
    tokens.push(carol.token.clone());
    (carol, tokens)
}

/// What is sealed at home is there all the same: its owner is shown it.
fn shown_at_home(carol: &Person, home: &Cell, files: [&str; 2]) {
    let carol = carol.at(home);
    let devices = carol.sees("devices");
    let is_shown = |device: &&Value| device["display_name"] == CLIENT.device && device["last_seen_ip"] == CLIENT.from;
    assert_eq!(devices["devices"].as_array().unwrap().iter().filter(is_shown).count(), 1, "{devices}");
    for (place, name, content) in [(files[0], FILE.0, FILE.1.as_bytes()), (files[1], SECRET_FILE, &secret_file()[..])] {
        let got = carol.downloads(place).ok("download");
        assert!(got.bytes == content && got.head.contains(name), "{}", got.head);
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..400 {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{what}: it did not come about");
}

/// All of it happens. Gives what must not be found.
fn live(deployment: &Deployment, door: Door) -> Wanted {
    let (eu, ru) = (deployment.cell("eu1").unwrap(), deployment.cell("ru1").unwrap());
    let alice = OTHER.register(eu, Some("alice"), PASSWORD);
    let dave = OTHER.register(ru, Some("dave"), PASSWORD);
    let (carol, tokens) = come(deployment, door);
    let file = settle(&carol, &dave);
    let room = share(&alice, &carol);
    look(&alice, &carol, &room);
    let secret = attach(deployment, &alice, &carol, &room, &file);
    shown_at_home(&carol, ru, [&file, &secret]);
    // What is sealed would not be found by a search. The audit counts it, as it does what is there of right.
    assert_eq!(with_others(&audited(eu)), MAY_CROSS);
    let mut wanted = Wanted::texts(AT_HOME.into_iter().chain(SEALED).chain(NOWHERE));
    wanted.texts.extend(tokens);
    // Whoever has the whole id can have the file.
    wanted.texts.extend([file, secret].map(|place| place.split_once('/').unwrap().1.to_owned()));
    wanted.files.push(("the encrypted file", secret_file()));
    wanted
}

fn nothing_elsewhere(postgres: bool, door: Door) {
    let folder = tempfile::tempdir().unwrap();
    let any_door = "profiles = \"withheld\"\nfront_door = \"any\"";
    let plan = Plan {
        cells: &[("eu1", "eu"), ("ru1", "ru")],
        rule: "encrypted_only",
        regions: &[("ru", if door == Door::Other { any_door } else { "profiles = \"withheld\"" })],
        configuration: "[logging]\nlevel = \"trace\"\n",
        postgres,
        ..Plan::default()
    };
    let mut deployment = Deployment::found(Path::new(PROGRAM), folder.path(), &plan).unwrap();
    let (wanted, cipher) = (live(&deployment, door), Wanted::texts([CIPHER]));
    // As it is at any moment, with what is written ahead.
    deployment.cell_mut("eu1").unwrap().kill().unwrap();
    let eu = deployment.cell("eu1").unwrap();
    assert_eq!(wanted.in_cell(eu), Vec::<String>::new());
    assert!(!cipher.in_cell(eu).is_empty(), "the search finds what is there");
    // After a start and an orderly end, and in a backup.
    deployment.cell_mut("eu1").unwrap().start().unwrap();
    let to = folder.path().join("backup");
    back_up(deployment.cell("eu1").unwrap(), &to);
    assert_eq!(wanted.in_folder(&to), Vec::<String>::new());
    assert!(!cipher.in_folder(&to).is_empty(), "the search finds what is in the backup");
    for cell in ["eu1", "ru1"] {
        deployment.cell_mut(cell).unwrap().stop().unwrap();
    }
    let (eu, ru) = (deployment.cell("eu1").unwrap(), deployment.cell("ru1").unwrap());
    assert_eq!(wanted.in_cell(eu), Vec::<String>::new());
    // At home all of it is, but for what is sealed or not kept at all.
    let at_home = Wanted::texts(AT_HOME).in_cell(ru);
    for text in AT_HOME {
        let is_there = at_home.iter().any(|found| found.starts_with(text));
        assert!(is_there, "{text} is not at home either: the search proves nothing");
    }
    assert_eq!(Wanted::texts(SEALED.into_iter().chain(NOWHERE)).in_cell(ru), Vec::<String>::new());
    // And each would be found if it were kept.
    let kept = std::iter::once(secret_file()).chain(wanted.texts.iter().map(|text| text.clone().into_bytes()));
    std::fs::write(eu.data().join("kept"), kept.collect::<Vec<_>>().concat()).unwrap();
    let found = wanted.in_cell(eu);
    let names = wanted.texts.iter().map(String::as_str).chain(wanted.files.iter().map(|(name, _)| *name));
    names.for_each(|name| assert!(found.iter().any(|found| found.starts_with(name)), "{name} is not looked for"));
}

#[test]
fn the_other_cells_files_hold_nothing_on_sqlite() {
    nothing_elsewhere(false, Door::Own);
}

#[test]
fn the_other_cells_files_hold_nothing_on_postgres() {
    nothing_elsewhere(true, Door::Own);
}

#[test]
fn a_door_keeps_nothing_of_what_passes_on_sqlite() {
    nothing_elsewhere(false, Door::Other);
}

#[test]
fn a_door_keeps_nothing_of_what_passes_on_postgres() {
    nothing_elsewhere(true, Door::Other);
}
