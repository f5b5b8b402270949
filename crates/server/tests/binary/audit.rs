//! Audits, beside a running server and without one: what is planted is found and named, what was changed is told.

mod cells;
mod database;

use std::path::Path;

use domicile_core::ids::{RoomNum, UserNum};
use domicile_store::{
    Batch, Store, StoreOptions, params,
    table::{account_data, users},
};
use domicile_testkit::postgres::Database;
use serde_json::{Value, json};

use super::{Place, V3, text};

/// A database on PostgreSQL, or in a folder of data.
async fn opened(postgres: Option<String>, data: &Path) -> Store {
    let options = match postgres {
        None => StoreOptions::Sqlite { path: data.join("domicile.db"), readers: 1 },
        Some(url) => StoreOptions::Postgres { url, readers: 1 },
    };
    Store::open(options).await.unwrap()
}

impl Place {
    /// The database, while no server has it.
    pub(super) async fn store(&self) -> Store {
        opened(self.database.as_ref().map(Database::address), &self.data()).await
    }

    /// Runs a command that answers in JSON; gives whether it succeeded, the answer, and what it told a person.
    pub(super) fn answered(&self, arguments: &[&str]) -> (bool, Value, String) {
        let output = self.run(arguments, "");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), serde_json::from_slice(&output.stdout).unwrap_or_default(), told)
    }
}

/// People, a room, devices, settings.
fn populate(place: &Place) -> String {
    for user in ["alice", "bob"] {
        place.json(&["user", "add", user, "--password-stdin", "--json"], "a good password\n");
    }
    let server = place.serve(&place.folder.path().join("log"));
    let session = server.login("alice", "a good password");
    let token = text(&session, "access_token");
    let room = server.ask("POST", &format!("{V3}/createRoom"), token, &json!({ "invite": ["@bob:localhost"] })).body;
    let room = text(&room, "room_id").to_owned();
    let sent = json!({ "body": "hello", "msgtype": "m.text" });
    assert_eq!(server.ask("PUT", &format!("{V3}/rooms/{room}/send/m.room.message/1"), token, &sent).status, 200);
    let data = format!("{V3}/user/@alice:localhost/account_data/org.example.x");
    assert_eq!(server.ask("PUT", &data, token, &json!({ "x": 1 })).status, 200);

    // Beside the server.
    let report = place.json(&["audit", "--json"], "");
    let body = &report["body"];
    assert_eq!(body["passed"], true, "{report}");
    assert_eq!(body["homes"]["people"], json!({ "here": 2, "other_cells": 0, "other_servers": 0 }));
    assert_eq!(body["rooms"]["is"]["joined"], 1, "{report}");
    assert!(body["not_covered"].as_array().unwrap().len() > 5);
    assert_eq!(rows(&report, "account_data"), (1, 1, 0));
    assert_eq!(rows(&report, "devices"), (1, 1, 0));
    assert_eq!(text(&body["program"]["is"], "sha256").len(), 64);
    let list = std::fs::read_to_string(place.data().join("evidence").join(text(&body["rooms"], "list"))).unwrap();
    let line: Value = serde_json::from_str(list.lines().next().unwrap()).unwrap();
    assert_eq!(line, json!({ "room": room, "for": "@alice:localhost", "membership": "join" }));
    server.stop();
    room
}

/// All rows of a table, those here, and those that must not be.
fn rows(report: &Value, table: &str) -> (i64, i64, i64) {
    let all = report["body"]["tables"]["all"].as_array().unwrap();
    let entry = all.iter().find(|entry| entry["table"] == table).unwrap_or_else(|| panic!("no {table}"));
    let number = |key: &str| entry[key].as_i64().unwrap();
    (number("rows"), number("here"), number("foreign"))
}

/// Plants a setting of somebody whose home is elsewhere.
fn plant(place: &Place) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = place.store().await;
        let mut batch = Batch::new();
        let stranger = users::User {
            user_num: UserNum(9_000),
            user_id: "@eve:elsewhere.example".to_owned(),
            is_local: false,
            created_ts: 1,
            password_hash: None,
            deactivated_ts: None,
        };
        users::insert(&mut batch, &stranger);
        account_data::set(&mut batch, UserNum(9_000), RoomNum(0), "org.example.planted", "{}", 1_i64.into());
        store.write(batch).await.unwrap();
        store.close().await;
    });
}

fn audits(place: &Place) {
    populate(place);
    // Without a server.
    let first = place.data().join("evidence/000001-audit.json");
    let verified = place.json(&["audit", "verify", first.to_str().unwrap(), "--canary", "--json"], "");
    assert_eq!(verified["passed"], true, "{verified}");
    assert_eq!((&verified["canary"]["found"], &verified["canary"]["removed"]), (&json!(true), &json!(true)));
    assert!(verified["drawn"].as_u64().unwrap() > 50, "{verified}");

    // A setting of somebody whose home is elsewhere.
    plant(place);
    let (passed, report, told) = place.answered(&["audit", "--json"]);
    assert!(!passed && told.contains("must not be here"), "{told}");
    assert_eq!(rows(&report, "account_data").2, 1, "{report}");
    let found = &report["body"]["foreign"]["named"][0];
    assert_eq!((text(found, "table"), text(found, "user")), ("account_data", "@eve:elsewhere.example"));
    assert!(text(found, "key").contains("kind = org.example.planted"), "{found}");
    let shown = place.run(&["audit"], "");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let named = shown.find("@eve:elsewhere.example").unwrap_or_else(|| panic!("{shown}"));
    assert!(shown.find("What is not covered").unwrap() < named, "{shown}");

    // A report that was changed, and one that was taken away.
    let (passed, verdict, _) = place.answered(&["audit", "verify", first.to_str().unwrap(), "--json"]);
    assert!(!passed && verdict["wrong"][0].as_str().unwrap().contains("must not be here"), "{verdict}");
    let whole = std::fs::read_to_string(&first).unwrap();
    std::fs::write(&first, whole.replace("\"passed\":true", "\"passed\":false")).unwrap();
    let (passed, _, told) = place.answered(&["audit", "verify", first.to_str().unwrap(), "--json"]);
    assert!(!passed && told.contains("changed after it was signed"), "{told}");
    std::fs::remove_file(&first).unwrap();
    let listed = place.json(&["audit", "list", "--json"], "");
    assert!(listed["wrong"][0].as_str().unwrap().contains("missing"), "{listed}");
    assert_eq!(listed["documents"].as_array().unwrap().len(), 2);

    // Gone again: all is well.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = place.store().await;
        let mut batch = Batch::new();
        batch.push("DELETE FROM account_data WHERE user_num = $1", params![9_000_i64]);
        store.write(batch).await.unwrap();
        store.close().await;
    });
    assert_eq!(place.json(&["audit", "--json"], "")["body"]["passed"], true);
}

#[test]
fn audits_on_sqlite() {
    audits(&Place::new(false));
}

#[test]
fn audits_on_postgres() {
    audits(&Place::new(true));
}
