//! Reports of those who were invited to look from elsewhere, and what the server keeps of them.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use domicile_core::clock::{Clock, SystemClock};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::{Answer, Place, Server, text};

const REPORTS: &str = "/_domicile/probe/v1/reports";

/// A report, signed with a key.
fn report(code: &str, host: &str, seed: u8) -> Value {
    let key = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let now_ms = SystemClock.now_ms();
    let target = json!({ "host": host, "port": 443, "path": "/_matrix/client/versions" });
    let reset = |sni: &str, failure: Value, answered: bool| {
        json!({
            "address": "192.0.2.1:443", "sni": sni, "server_name": null, "failure": failure, "answered": answered,
            "invalid": null, "chain": [], "when": { "at_ms": 1, "took_ms": 1 },
        })
    };
    let when = json!({ "at_ms": 0, "took_ms": 1 });
    let connect = |address: &str| json!({ "address": address, "failure": null, "when": when });
    let (torn, good) = (json!("connection_reset"), Value::Null);
    let measurement = json!({
        "target": target, "tcp": [connect("192.0.2.1:443")], "http": [], "downloads": [],
        "dns": [{
            "host": host, "attempt": 0, "transport": "https", "resolver": "", "ipv6": false, "failure": null,
            "addresses": ["192.0.2.1"], "when": when,
        }],
        "tls": [
            reset("real", torn.clone(), false), reset("real", torn.clone(), false), reset("real", torn, false),
            reset("neutral", good.clone(), true), reset("none", good, true),
        ],
    });
    let run = json!({
        "started_ms": now_ms, "took_ms": 5, "vantage": { "country": "VN" }, "measurements": [measurement],
        "control": { "dns": [], "tcp": [connect("192.0.2.9:443")], "downloads": [] },
    });
    let told = json!({ "code": code, "publish": false, "run": run }).to_string();
    let signature = STANDARD_NO_PAD.encode(key.sign(told.as_bytes()));
    json!({ "told": told, "key": STANDARD_NO_PAD.encode(key.public_key()), "signature": signature })
}

fn sent(server: &Server, report: &Value) -> Answer {
    server.ask("POST", REPORTS, "", report)
}

fn reports_are_taken(on_postgres: bool) {
    let place = Place::new(on_postgres)
        .with("SERVER__NAME", "example.org")
        .with("SERVER__PUBLIC_URL", "https://matrix.example.org")
        .with("PROBE__REPORTS", "true");
    let server = place.serve(&place.folder.path().join("log"));
    let invited = place.json(&["probe", "invite", "north", "--json"], "");
    let code = text(&invited, "code");

    let good = sent(&server, &report(code, "matrix.example.org", 1));
    assert_eq!(good.status, 200, "{good:?}");
    let refused = |answer: Answer, status: u16, said: &str| {
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(text(&answer.body, "error").contains(said), "{answer:?}");
    };
    refused(sent(&server, &report(code, "matrix.example.org", 2)), 403, "another key");
    refused(sent(&server, &report("nobody", "matrix.example.org", 1)), 403, "invited");
    refused(sent(&server, &report(code, "evil.example", 1)), 400, "none of this deployment's");
    let mut forged = report(code, "matrix.example.org", 1);
    forged["key"] = report(code, "matrix.example.org", 3)["key"].clone();
    refused(sent(&server, &forged), 403, "not signed by the key");
    let mut changed = report(code, "matrix.example.org", 1);
    changed["told"] = json!(text(&changed, "told").replace("connection_reset", "eof_error"));
    refused(sent(&server, &changed), 403, "not signed by the key");
    refused(sent(&server, &json!({ "told": "x", "key": "!", "signature": "" })), 400, "base64");

    let history = place.json(&["probe", "history", "--json"], "");
    let results = history["results"].as_array().unwrap();
    assert_eq!(results.len(), 1, "{history}");
    assert_eq!((text(&results[0], "verdict"), text(&results[0], "vantage")), ("sni_reset", "north"));
    let run = results[0]["run"].to_string();
    let shown = place.run(&["probe", "show", &run], "");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("sni_reset") && shown.contains("VN"), "{shown}");
    // What others are told is what the server itself saw, and it has not looked.
    assert_eq!(server.ask("GET", "/_domicile/probe/v1/outside", "", &Value::Null).body, json!({ "outside": [] }));

    assert!(place.run(&["probe", "dismiss", "north"], "").status.success());
    refused(sent(&server, &report(code, "matrix.example.org", 1)), 403, "not any more");
    server.stop();
    let log = std::fs::read_to_string(place.folder.path().join("log")).unwrap();
    assert!(!log.contains(super::CLIENT), "a volunteer's address is in the log");
}

#[test]
fn reports_are_taken_from_those_who_were_invited() {
    reports_are_taken(false);
}

#[test]
fn reports_are_taken_from_those_who_were_invited_on_postgres() {
    reports_are_taken(true);
}

#[test]
fn nobody_reports_without_knowing_what_that_means() {
    let place = Place::new(false);
    let arguments = ["probe", "--target", "https://m.example/", "--report-to", "https://eu.example", "--code", "x"];
    let output = place.run(&arguments, "yes\n");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("can bring you trouble") && told.contains("--consent"), "{told}");
}
