//! Logs and metrics keep secrets, at every level.

use serde_json::{Value, json};

use super::{CLIENT, Place, V3, ask, text};

/// What must not stand in a log, and a word that shows that a part of the run took place.
struct Secrets {
    planted: Vec<(&'static str, String)>,
}

impl Secrets {
    fn plant(&mut self, what: &'static str, secret: &str) {
        self.planted.push((what, secret.to_owned()));
    }

    fn assert_absent(&self, place: &str, text: &str) {
        for (what, secret) in &self.planted {
            let found = text.lines().find(|line| line.contains(secret.as_str()));
            assert!(found.is_none(), "{what} stands in {place}: {}", found.unwrap_or_default());
        }
    }
}

/// Makes a server do a bit of everything, right and wrong.
fn busy(place: &Place, secrets: &mut Secrets) -> String {
    let log = place.folder.path().join("log");
    let password = "planted-password-Eik5aQ";
    secrets.plant("a password", password);
    place.json(&["user", "add", "alice", "--password-stdin", "--json"], &format!("{password}\n"));
    let registration = place.json(&["token", "add", "--token", "plantedregistrationtoken", "--json"], "");
    secrets.plant("a registration token", text(&registration, "token"));
    let server = place.serve(&log);
    let login = json!({
        "type": "m.login.password", "password": password, "refresh_token": true, "initial_device_display_name": "planted-device-Ur3e",
        "identifier": { "type": "m.id.user", "user": "alice" },
    });
    secrets.plant("a device's name", "planted-device-Ur3e");
    let session = server.ask("POST", &format!("{V3}/login"), "", &login).body;
    let token = text(&session, "access_token").to_owned();
    secrets.plant("an access token", &token);
    secrets.plant("a refresh token", text(&session, "refresh_token"));
    let wrong = json!({
        "type": "m.login.password", "password": "planted-wrong-Ahb3", "identifier": { "type": "m.id.user", "user": "alice" },
    });
    secrets.plant("a wrong password", "planted-wrong-Ahb3");
    assert_eq!(server.ask("POST", &format!("{V3}/login"), "", &wrong).status, 403);
    secrets.plant("an unknown token", "plantedunknowntoken");
    assert_eq!(server.ask("GET", &format!("{V3}/account/whoami"), "plantedunknowntoken", &Value::Null).status, 401);
    let in_query = format!("{V3}/account/whoami?access_token={token}");
    assert_eq!(server.ask("GET", &in_query, "", &Value::Null).status, 200);

    secrets.plant("a display name", "Planted Name Oo4u");
    let name = json!({ "displayname": "Planted Name Oo4u" });
    assert_eq!(server.ask("PUT", &format!("{V3}/profile/@alice:localhost/displayname"), &token, &name).status, 200);
    secrets.plant("a room's name", "planted-room-ieT8");
    let room = server.ask("POST", &format!("{V3}/createRoom"), &token, &json!({ "name": "planted-room-ieT8" })).body;
    let room = text(&room, "room_id").to_owned();
    secrets.plant("a message", "planted-message-Wo9k");
    for (txn, body) in
        [(0, json!({ "body": "planted-message-Wo9k" })), (1, json!({ "body": "planted-message-Wo9k", "n": 1.5 }))]
    {
        server.ask("PUT", &format!("{V3}/rooms/{room}/send/m.room.message/{txn}"), &token, &body);
    }
    secrets.plant("account data", "planted-data-Eez1");
    let data = json!({ "x": "planted-data-Eez1" });
    server.ask("PUT", &format!("{V3}/user/@alice:localhost/account_data/org.example.data"), &token, &data);
    secrets.plant("a key", "plantedkeyIex3");
    let keys = json!({ "one_time_keys": { "signed_curve25519:AAAA": { "key": "plantedkeyIex3", "signatures": {} } } });
    server.ask("POST", &format!("{V3}/keys/upload"), &token, &keys);
    server.ask("POST", &format!("{V3}/keys/upload"), &token, &json!({ "device_keys": { "x": "plantedkeyIex3" } }));
    secrets.plant("a message to a device", "planted-secret-Goo2");
    let messages = json!({ "messages": { "@alice:localhost": { "*": { "x": "planted-secret-Goo2" } } } });
    server.ask("PUT", &format!("{V3}/sendToDevice/org.example.x/1"), &token, &messages);
    secrets.plant("a backed-up key", "planted-backup-Vae4");
    let version = json!({
        "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": { "public_key": "x", "signatures": {} },
    });
    server.ask("POST", &format!("{V3}/room_keys/version"), &token, &version);
    let key = json!({
        "first_message_index": 0, "forwarded_count": 0, "is_verified": false,
        "session_data": { "ephemeral": "x", "ciphertext": "planted-backup-Vae4", "mac": "x" },
    });
    server.ask("PUT", &format!("{V3}/room_keys/keys/{room}/session?version=1"), &token, &key);
    secrets.plant("a search in the address", "planted-since-Xu7a");
    server.ask("GET", &format!("{V3}/sync?since=planted-since-Xu7a"), &token, &Value::Null);
    server.ask("GET", &format!("{V3}/sync"), &token, &Value::Null);
    // Every request of these tests says through a proxy that it comes from there.
    secrets.plant("a client's address", CLIENT);
    let devices = server.ask("GET", &format!("{V3}/devices"), &token, &Value::Null);
    assert_eq!(devices.body["devices"][0]["last_seen_ip"], CLIENT, "{devices:?}");
    let refreshed =
        server.ask("POST", &format!("{V3}/refresh"), "", &json!({ "refresh_token": session["refresh_token"] })).body;
    secrets.plant("a refreshed token", text(&refreshed, "access_token"));
    let body = json!({ "username": "bob", "password": password });
    let first = server.ask("POST", &format!("{V3}/register"), "", &body).body;
    let auth = json!({
        "type": "m.login.registration_token", "token": "plantedregistrationtoken", "session": first["session"],
    });
    let body = json!({ "username": "bob", "password": password, "auth": auth });
    assert_eq!(server.ask("POST", &format!("{V3}/register"), "", &body).status, 200);

    let metrics = ask(&server.metrics, "GET", "/metrics", "", &Value::Null).text;
    assert!(metrics.contains("/_matrix/client/v3/login"), "{metrics}");
    secrets.assert_absent("/metrics", &metrics);
    for private in ["alice", room.as_str(), "localhost"] {
        assert!(!metrics.contains(private), "{private} stands in /metrics: {metrics}");
    }
    server.stop();
    std::fs::read_to_string(log).unwrap()
}

fn logs_keep_secrets(place: &Place) {
    let mut secrets = Secrets { planted: Vec::new() };
    let log = busy(place, &mut secrets);
    assert!(log.contains("stopping"), "{log}");
    secrets.assert_absent("the log", &log);
}

#[test]
fn logs_keep_secrets_on_sqlite() {
    logs_keep_secrets(&Place::new(false).with("LOGGING__LEVEL", "trace"));
}

#[test]
fn logs_keep_secrets_on_postgres() {
    logs_keep_secrets(&Place::new(true).with("LOGGING__LEVEL", "trace").with("LOGGING__FORMAT", "json"));
}
