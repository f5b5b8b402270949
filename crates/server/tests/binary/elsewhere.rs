//! What the files of the other cells hold of somebody in a region that withholds profiles and lets only what is encrypted cross: the Matrix id, that
//! says nothing, and ciphertext. Each file is searched, with what the engine writes ahead, what it has freed, logs and a backup.

use std::{io::Write, net::TcpStream, path::Path};

use domicile_core::rng::OsRng;
use domicile_store::backup::{Identity, unpack};
use domicile_testkit::plays::{
    cells::{Cell, Deployment, NAME, Plan},
    plaintext,
};
use serde_json::{Value, json};

use super::{Answer, CLIENT, PROGRAM, V3, ask, head, heard, text};

const PASSWORD: &str = "correct horse battery staple";
/// What only the person's home may have. What is sealed there is not found in its files either.
const PLANTED: [(&str, bool); 11] = [
    ("Planted Name Aeg", false),
    ("planted-mail@example.net", false),
    ("planted-device-Ohx", true),
    (CLIENT, true),
    ("planted words in the clear", false),
    ("planted topic of a room at home", false),
    ("planted-filter-Nae", false),
    ("plantedBackupQuoXyz", false),
    ("planted-file-Vie", true),
    ("planted-content-Koh", true),
    ("planted words that were refused", true),
];
/// Stands in every copy of the room: a search that does not find it there is none.
const CIPHER: &str = "plantedCipherThatMayCross";

struct Person<'c> {
    cell: &'c Cell,
    token: String,
    id: String,
}

impl<'c> Person<'c> {
    /// An account; without a name it gets a random one.
    fn register(cell: &'c Cell, name: Option<&str>, device: &str) -> Self {
        let mut body = json!({
            "auth": { "type": "m.login.dummy" }, "password": PASSWORD, "initial_device_display_name": device,
        });
        if let Some(name) = name {
            body["username"] = name.into();
        }
        let session = ask(&cell.clients.to_string(), "POST", &format!("{V3}/register"), "", &body);
        assert_eq!(session.status, 200, "{session:?}");
        Self {
            cell,
            token: text(&session.body, "access_token").to_owned(),
            id: text(&session.body, "user_id").to_owned(),
        }
    }

    fn asks(&self, method: &str, path: &str, body: &Value) -> Answer {
        ask(&self.cell.clients.to_string(), method, &format!("{V3}/{path}"), &self.token, body)
    }

    fn does(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.asks(method, path, body);
        assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        answer.body
    }

    fn makes_room(&self, body: &Value) -> String {
        text(&self.does("POST", "createRoom", body), "room_id").to_owned()
    }

    fn uploads(&self, name: &str, content: &str) {
        let mut stream = TcpStream::connect(self.cell.clients).unwrap();
        let path = format!("/_matrix/media/v3/upload?filename={name}");
        let head = head("POST", &path, &self.token, content.len());
        let head = head.replace("\r\n\r\n", "\r\nContent-Type: text/plain\r\n\r\n");
        stream.write_all((head + content).as_bytes()).unwrap();
        let answer = heard(stream);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// Somebody with something in every corner of their own cell.
fn settle(carol: &Person<'_>, neighbour: &Person<'_>) {
    let planted = |number: usize| PLANTED[number].0;
    let id = &carol.id;
    carol.does("PUT", &format!("profile/{id}/displayname"), &json!({ "displayname": planted(0) }));
    let contact = format!("user/{id}/account_data/org.example.contact");
    carol.does("PUT", &contact, &json!({ "mail": planted(1) }));
    let room = carol.makes_room(&json!({ "preset": "public_chat", "topic": planted(5), "invite": [neighbour.id] }));
    neighbour.does("POST", &format!("join/{room}"), &json!({}));
    let said = json!({ "msgtype": "m.text", "body": planted(4) });
    carol.does("PUT", &format!("rooms/{room}/send/m.room.message/t1"), &said);
    carol.does("POST", &format!("user/{id}/filter"), &json!({ "event_fields": [planted(6)] }));
    let version = json!({
        "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": { "public_key": "abcd", "signatures": {} },
    });
    carol.does("POST", "room_keys/version", &version);
    let key = json!({
        "first_message_index": 0, "forwarded_count": 0, "is_verified": false,
        "session_data": { "ephemeral": "abcd", "ciphertext": planted(7), "mac": "abcd" },
    });
    carol.does("PUT", &format!("room_keys/keys/!x:{NAME}/session?version=1"), &key);
    carol.uploads(planted(8), planted(9));
    carol.does("GET", "sync", &Value::Null);
}

/// They share a room with somebody of the other cell, and talk.
fn share(alice: &Person<'_>, carol: &Person<'_>) -> String {
    let room = alice.makes_room(&json!({ "preset": "private_chat", "invite": [carol.id] }));
    carol.does("POST", &format!("join/{room}"), &json!({}));
    let secret = json!({
        "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": CIPHER, "session_id": "s", "device_id": "D", "sender_key": "k",
    });
    let sent = carol.does("PUT", &format!("rooms/{room}/send/m.room.encrypted/t1"), &secret);
    let event = text(&sent, "event_id").to_owned();
    let in_clear = json!({ "msgtype": "m.text", "body": PLANTED[10].0 });
    let refused = carol.asks("PUT", &format!("rooms/{room}/send/m.room.message/t2"), &in_clear);
    assert_eq!(refused.status, 403, "{refused:?}");
    until("alice reads it", || alice.asks("GET", &format!("rooms/{room}/event/{event}"), &Value::Null).status == 200);
    // What passes is shown, and not kept.
    carol.asks("POST", &format!("rooms/{room}/receipt/m.read/{event}"), &json!({}));
    carol.asks("PUT", &format!("rooms/{room}/typing/{}", carol.id), &json!({ "typing": true, "timeout": 10_000 }));
    // The name is changed while they are in the room: memberships are written anew, without it.
    carol.does("PUT", &format!("profile/{}/displayname", carol.id), &json!({ "displayname": "Somebody Else" }));
    carol.does("PUT", &format!("profile/{}/displayname", carol.id), &json!({ "displayname": PLANTED[0].0 }));
    room
}

/// Somebody in the other cell looks at them in every way that a client has.
fn look(alice: &Person<'_>, carol: &Person<'_>, room: &str) {
    let profile = alice.asks("GET", &format!("profile/{}", carol.id), &Value::Null);
    let members = alice.does("GET", &format!("rooms/{room}/members"), &Value::Null);
    let states: Vec<&Value> =
        members["chunk"].as_array().unwrap().iter().filter(|event| event["state_key"] == carol.id.as_str()).collect();
    assert_eq!(states.len(), 1, "{members}");
    assert!(profile.status == 200 || profile.status == 403, "{profile:?}");
    let keys = json!({ "device_keys": { carol.id.clone(): [] } });
    let keys = alice.does("POST", "keys/query", &keys);
    assert!(!keys.to_string().contains(PLANTED[2].0), "a device's name is its owner's alone: {keys}");
    alice.does("POST", "user_directory/search", &json!({ "search_term": "planted" }));
    alice.does("GET", "sync", &Value::Null);
    let unread = json!({ "search_categories": { "room_events": { "search_term": "planted" } } });
    alice.asks("POST", "search", &unread);
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

/// Which of some texts stand in a cell's files, and in those of its database server.
fn found(cell: &Cell, texts: &[&str]) -> Vec<String> {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    let folders = std::iter::once(cell.folder().to_owned()).chain(cell.database_folder());
    let mut all: Vec<String> = Vec::new();
    for folder in folders {
        let findings = plaintext::search(&folder, &texts).unwrap();
        assert!(findings.files > 3, "{} files in {}", findings.files, folder.display());
        all.extend(findings.found.iter().map(|(path, text)| format!("{text} in {}", path.display())));
    }
    all
}

/// The contents of a backup that is made now, in a folder.
fn back_up(cell: &Cell, to: &Path) {
    let identity = Identity::generate(&OsRng);
    std::fs::create_dir_all(to).unwrap();
    let recipient = identity.recipient().to_string();
    let made = cell.json(&["backup", "create", "--to", to.to_str().unwrap(), "--for", &recipient]).unwrap();
    let mut opened = 0;
    // The keys are in a file of their own, which holds nothing else.
    let file = std::path::PathBuf::from(text(&made, "data"));
    for (name, content) in unpack(&file, &identity).unwrap_or_else(|error| panic!("{made}: {error}")) {
        opened += 1;
        let is_dump = content.starts_with(b"PGDMP");
        let opened = to.join(format!("{opened}-{}", name.replace('/', "-")));
        std::fs::write(&opened, content).unwrap();
        if is_dump {
            // What PostgreSQL dumps is compressed.
            let program = domicile_testkit::postgres::server::programs().unwrap().join("pg_restore");
            let text = std::process::Command::new(program).arg("--file=-").arg(&opened).output().unwrap();
            assert!(text.status.success(), "{}", String::from_utf8_lossy(&text.stderr));
            std::fs::write(&opened, text.stdout).unwrap();
        }
    }
    std::fs::remove_file(file).unwrap();
    assert!(opened > 0, "{made}");
}

fn nothing_elsewhere(postgres: bool) {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        cells: &[("eu1", "eu"), ("ru1", "ru")],
        rule: "encrypted_only",
        regions: &[("ru", "profiles = \"withheld\"")],
        postgres,
        ..Plan::default()
    };
    let mut deployment = Deployment::found(Path::new(PROGRAM), folder.path(), &plan).unwrap();
    {
        let (eu, ru) = (deployment.cell("eu1").unwrap(), deployment.cell("ru1").unwrap());
        let alice = Person::register(eu, Some("alice"), "telephone");
        let carol = Person::register(ru, None, PLANTED[2].0);
        let dave = Person::register(ru, Some("dave"), "telephone");
        settle(&carol, &dave);
        let room = share(&alice, &carol);
        look(&alice, &carol, &room);
    }
    let planted: Vec<&str> = PLANTED.iter().map(|(text, _)| *text).collect();
    // As it is at any moment, with what is written ahead.
    deployment.cell_mut("eu1").unwrap().kill().unwrap();
    let eu = deployment.cell("eu1").unwrap();
    assert_eq!(found(eu, &planted), Vec::<String>::new());
    assert!(!found(eu, &[CIPHER]).is_empty(), "the search finds what is there");
    // After a start and an orderly end, and in a backup.
    deployment.cell_mut("eu1").unwrap().start().unwrap();
    let to = folder.path().join("backup");
    back_up(deployment.cell("eu1").unwrap(), &to);
    let in_backup = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        plaintext::search(&to, &texts).unwrap().found
    };
    assert_eq!(in_backup(&planted), Vec::new());
    assert!(!in_backup(&[CIPHER]).is_empty(), "the search finds what is in the backup");
    deployment.cell_mut("eu1").unwrap().stop().unwrap();
    assert_eq!(found(deployment.cell("eu1").unwrap(), &planted), Vec::<String>::new());
    // At home all of it is, but for what is sealed there.
    deployment.cell_mut("ru1").unwrap().stop().unwrap();
    let ru = deployment.cell("ru1").unwrap();
    for (text, is_sealed) in PLANTED.iter().filter(|(_, is_sealed)| !is_sealed) {
        assert!(
            !found(ru, &[text]).is_empty(),
            "{text} (sealed: {is_sealed}) is not at home either: the search proves nothing"
        );
    }
}

#[test]
fn the_other_cells_files_hold_nothing_on_sqlite() {
    nothing_elsewhere(false);
}

#[test]
fn the_other_cells_files_hold_nothing_on_postgres() {
    nothing_elsewhere(true);
}
