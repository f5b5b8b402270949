//! Who looked, what is held about somebody, and what is left of somebody who was erased.

use std::path::Path;

use domicile_core::rng::OsRng;
use domicile_store::{
    Batch,
    backup::{Identity, unpack},
    params,
};
use serde_json::{Value, json};

use super::{Answer, CLIENT, Place, Server, V3, heard, text};

/// What stands in nothing but a person's own data: if it is found, it was kept.
const PLANTED: [&str; 7] = [
    "planted-device-Ur3e",
    "planted-setting-Eez1",
    "Planted Name Oo4u",
    "planted-keyword-aeG2",
    "plantedBackupVae4xyz",
    "planted-file-Quo7",
    "planted-content-ieB5",
];

/// A person with something in every corner.
fn populate(place: &Place, server: &Server) -> Value {
    let login = json!({
        "type": "m.login.password", "password": "a good password", "initial_device_display_name": "planted-device-Ur3e",
        "identifier": { "type": "m.id.user", "user": "bob" },
    });
    let session = server.ask("POST", &format!("{V3}/login"), "", &login).body;
    let token = text(&session, "access_token");
    let ok = |answer: Answer| assert_eq!(answer.status, 200, "{answer:?}");
    let data = format!("{V3}/user/@bob:localhost/account_data/org.example.x");
    ok(server.ask("PUT", &data, token, &json!({ "x": "planted-setting-Eez1" })));
    let name = format!("{V3}/profile/@bob:localhost/displayname");
    ok(server.ask("PUT", &name, token, &json!({ "displayname": "Planted Name Oo4u" })));
    let rule = json!({ "pattern": "planted-keyword-aeG2", "actions": ["notify"] });
    ok(server.ask("PUT", &format!("{V3}/pushrules/global/content/mine"), token, &rule));
    let version = json!({
        "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": { "public_key": "abcd", "signatures": {} },
    });
    ok(server.ask("POST", &format!("{V3}/room_keys/version"), token, &version));
    let key = json!({
        "first_message_index": 0, "forwarded_count": 0, "is_verified": false,
        "session_data": { "ephemeral": "abcd", "ciphertext": "plantedBackupVae4xyz", "mac": "abcd" },
    });
    ok(server.ask("PUT", &format!("{V3}/room_keys/keys/!x:localhost/session?version=1"), token, &key));
    upload(server, token);
    assert_eq!(server.ask("GET", &format!("{V3}/sync"), token, &Value::Null).status, 200);
    assert!(place.data().exists());
    session
}

fn upload(server: &Server, token: &str) {
    use std::io::Write;
    let content = "planted-content-ieB5";
    let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
    let head = super::head("POST", "/_matrix/media/v3/upload?filename=planted-file-Quo7", token, content.len());
    let head = head.replace("\r\n\r\n", "\r\nContent-Type: text/plain\r\n\r\n");
    stream.write_all((head + content).as_bytes()).unwrap();
    let answer = heard(stream);
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn people(place: &Place) {
    for user in ["alice", "bob"] {
        place.json(&["user", "add", user, "--password-stdin", "--json"], "a good password\n");
    }
}

fn looks_are_told(place: &Place) {
    people(place);
    let server = place.serve(&place.folder.path().join("log"));
    let session = server.login("bob", "a good password");
    let token = text(&session, "access_token");
    let own = || server.ask("GET", "/_domicile/client/v1/access_log", token, &Value::Null);
    assert_eq!(own().body, json!({ "entries": [], "whole": true }));
    assert_eq!(server.ask("GET", "/_domicile/client/v1/access_log", "", &Value::Null).status, 401);
    place.json(&["user", "devices", "bob", "--as", "Zoë", "--reason", "ticket 7: lost phone", "--json"], "");
    let told = own().body;
    let entry = &told["entries"][0];
    assert_eq!((text(entry, "what"), text(&entry["by"], "name")), ("devices", "Zoë"), "{told}");
    assert_eq!(text(entry, "reason"), "ticket 7: lost phone");
    assert!(entry["by"]["uid"].is_u64(), "the system says whose process asked: {told}");
    let report = json!({ "reason": "he is rude" });
    let path = format!("{V3}/users/@alice:localhost/report");
    assert_eq!(server.ask("POST", &path, token, &report).status, 200);
    place.json(&["report", "show", "1", "--json"], "");
    assert_eq!(text(&own().body["entries"][1], "what"), "report");
    server.stop();

    // Without a server, and the log itself is a look.
    let told = place.json(&["access-log", "bob", "--as", "ada", "--json"], "");
    assert_eq!((told["entries"].as_array().unwrap().len(), &told["whole"]), (3, &json!(true)), "{told}");
    assert_eq!(text(&told["entries"][2], "what"), "access_log");
    let audit = place.json(&["audit", "--json"], "");
    let log = &audit["body"]["access_log"]["is"];
    assert_eq!((&log["entries"], &log["people"], &log["broken"]), (&json!(3), &json!(1), &json!([])), "{log}");

    // An entry that was changed, and one that was taken away.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let damage = |sql: &'static str| {
        runtime.block_on(async {
            let store = place.store().await;
            let mut batch = Batch::new();
            batch.push(sql, params![]);
            store.write(batch).await.unwrap();
            store.close().await;
        });
        let (passed, told, why) = place.answered(&["access-log", "bob", "--json"]);
        assert!(!passed && why.contains("not whole"), "{why}");
        assert_eq!(told["whole"], false);
    };
    damage("UPDATE access_log SET ts = ts + 1 WHERE entry = 2");
    damage("DELETE FROM access_log WHERE entry = 1");
}

fn exports_need_two(place: &Place) {
    people(place);
    let server = place.serve(&place.folder.path().join("log"));
    let session = populate(place, &server);
    let identity = Identity::generate(&OsRng);
    let to = identity.recipient().to_string();
    let file = place.folder.path().join("bob.age");
    let out = file.to_str().unwrap();
    let asked = ["export", "@bob:localhost", "--to", &to, "--out", out, "--as", "ada", "--json"];
    let (passed, _, told) = place.answered(&asked);
    assert!(!passed && told.contains("reason"), "{told}");
    let mut with_reason = asked.to_vec();
    with_reason.extend(["--reason", "he asked for it"]);
    let id = text(&place.json(&with_reason, ""), "id").to_owned();
    assert!(!file.exists(), "one administrator alone gets nothing");
    let (passed, _, told) = place.answered(&["export", "confirm", &id, "--as", " Ada"]);
    assert!(!passed && told.contains("Somebody else"), "{told}");
    let receipt = place.json(&["export", "confirm", &id, "--as", "grace", "--json"], "");
    let (passed, _, told) = place.answered(&["export", "confirm", &id, "--as", "eve"]);
    assert!(!passed && told.contains("already"), "{told}");
    assert_eq!(receipt["body"]["confirmed_by"]["name"], "grace");
    assert_eq!(receipt["body"]["media_files"], 1);

    let sealed = std::fs::read(&file).unwrap();
    for planted in PLANTED.iter().chain([&CLIENT]) {
        assert!(!contains(&sealed, planted), "{planted} stands open in the export");
    }
    let files = unpack(&file, &identity).unwrap();
    for planted in PLANTED.iter().chain([&CLIENT]) {
        let holder = files.iter().find(|(_, content)| contains(content, planted));
        assert!(holder.is_some(), "{planted} is in no file of the export");
    }
    let index = files.iter().find(|(name, _)| name == "index.html").unwrap();
    assert!(contains(&index.1, "What this service holds about @bob:localhost"));
    assert!(unpack(&file, &Identity::generate(&OsRng)).is_err(), "nobody else opens it");
    let token = text(&session, "access_token");
    let told = server.ask("GET", "/_domicile/client/v1/access_log", token, &Value::Null).body;
    let whats: Vec<&str> = told["entries"].as_array().unwrap().iter().map(|entry| text(entry, "what")).collect();
    assert_eq!(whats, ["export_requested", "exported"]);
    server.stop();
}

fn what_is_erased_is_gone(place: &Place) {
    people(place);
    let server = place.serve(&place.folder.path().join("log"));
    let session = populate(place, &server);
    server.stop();
    for planted in ["planted-setting-Eez1", "Planted Name Oo4u", "plantedBackupVae4xyz"] {
        assert!(!holders(place, planted).is_empty(), "the search finds what is there: {planted}");
    }
    let server = place.serve(&place.folder.path().join("log"));
    let (passed, _, told) = place.answered(&["erase", "@bob:localhost"]);
    assert!(!passed && told.contains("--yes"), "{told}");
    let erase = ["erase", "@bob:localhost", "--yes", "--as", "ada", "--reason", "he asked for it", "--json"];
    let receipt = place.json(&erase, "");
    let body = &receipt["body"];
    let erased: Vec<&str> = body["erased"].as_array().unwrap().iter().map(|row| text(row, "table")).collect();
    for table in ["devices", "access_tokens", "account_data", "profile_fields", "key_backup_keys", "media"] {
        assert!(erased.contains(&table), "{table} is not among what was erased: {body}");
    }
    assert_eq!(body["media_files"], 1, "{body}");
    let remaining: Vec<&str> = body["remaining"].as_array().unwrap().iter().map(|row| text(row, "where")).collect();
    for place in ["users (", "access_log (", "backups of the data"] {
        assert!(remaining.iter().any(|there| there.starts_with(place)), "{place}: {remaining:?}");
    }
    assert!(body["unreadable"].as_array().unwrap().len() >= 3);
    let who = server.ask("GET", &format!("{V3}/account/whoami"), text(&session, "access_token"), &Value::Null);
    assert_eq!(who.status, 401);
    // Erasing again finishes what might be left, and is no error.
    let again = place.json(&erase, "");
    assert_eq!(again["previous"].as_str().map(str::len), Some(64));
    let whole = place.json(&["access-log", "bob", "--json"], "");
    assert_eq!(whole["whole"], true, "{whole}");
    server.stop();
    for planted in PLANTED.iter().chain([&CLIENT]) {
        assert_eq!(holders(place, planted), Vec::<String>::new(), "{planted}");
    }
    assert_eq!(place.json(&["audit", "--json"], "")["body"]["passed"], true);
}

/// The files that hold a text, in the data folder and in a dump of the database.
fn holders(place: &Place, wanted: &str) -> Vec<String> {
    let mut found = Vec::new();
    search(&place.data(), wanted, &mut found);
    if let Some(database) = &place.database {
        let dump = std::process::Command::new(programs().join("pg_dump"))
            .arg(format!("--dbname={}", database.address()))
            .output()
            .unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        if contains(&dump.stdout, wanted) {
            found.push("the dump".to_owned());
        }
    }
    found
}

fn programs() -> std::path::PathBuf {
    domicile_testkit::postgres::server::programs().unwrap()
}

fn search(folder: &Path, wanted: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            search(&path, wanted, found);
        } else if path.is_file() && contains(&std::fs::read(&path).unwrap(), wanted) {
            found.push(path.display().to_string());
        }
    }
}

fn contains(bytes: &[u8], wanted: &str) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes())
}

macro_rules! on_both {
    ($($name:ident: $test:ident),*) => {$(
        mod $name {
            #[test]
            fn sqlite() {
                super::$test(&super::Place::new(false));
            }

            #[test]
            fn postgres() {
                super::$test(&super::Place::new(true));
            }
        }
    )*};
}

on_both!(looks: looks_are_told, exports: exports_need_two, erasures: what_is_erased_is_gone);
