//! Dossiers: kept, told whom they are for, and no paper without a second person or on old evidence.

use axum::http::Method;
use domicile_core::clock::DAY_MS;
use domicile_testkit::server::TestServer;
use serde_json::{Value, json};

use super::{JURISDICTION, club, operator};

const RU: &str = "dossiers/RU";

async fn set(server: &TestServer, code: &str, change: Value) -> Value {
    operator(server, Method::PUT, &format!("dossiers/{code}"), json!({ "who": "Ada", "change": change })).await.ok()
}

async fn contact(server: &TestServer, code: &str, role: &str, contact: Value) -> Value {
    let path = format!("dossiers/{code}/contacts/{role}");
    operator(server, Method::PUT, &path, json!({ "who": "Ada", "contact": contact })).await.ok()
}

async fn paper(server: &TestServer, code: &str, audience: &str, format: &str) -> domicile_testkit::server::Answered {
    let body = json!({ "who": "Ada", "audience": audience, "format": format });
    operator(server, Method::POST, &format!("dossiers/{code}/papers"), body).await
}

#[tokio::test]
async fn a_dossier_is_begun_changed_and_remembers_who_did_it() {
    let server = club().await;
    operator(&server, Method::GET, RU, Value::Null).await.fails(404, "M_NOT_FOUND");
    let begun = set(&server, "RU", json!({ "status": "draft", "legal_entity": "Club e.V." })).await;
    assert_eq!((begun["authority"].as_str(), begun["status"].as_str()), (Some("Roskomnadzor"), Some("draft")));
    set(&server, "RU", json!({ "status": "filed" })).await;
    let nothing = set(&server, "RU", json!({ "status": "filed" })).await;
    let history = nothing["history"].as_array().unwrap();
    assert_eq!(history.len(), 2, "what changes nothing is no entry: {history:?}");
    assert_eq!((history[0]["who"].as_str(), history[0]["what"].as_str()), (Some("Ada"), Some("status: filed")));
    assert!(nothing["filed_ts"].as_i64().is_some());
    let unknown = json!({ "who": "Ada", "change": { "colour": "blue" } });
    assert!(operator(&server, Method::PUT, RU, unknown).await.status.is_client_error());
    let elsewhere = json!({ "who": "Ada", "change": {} });
    operator(&server, Method::PUT, "dossiers/BR", elsewhere).await.fails(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn the_public_contact_is_shown_and_the_person_is_not() {
    let server = club().await;
    let anonymous = server.anonymous();
    anonymous.get("/.well-known/matrix/support").await.fails(404, "M_NOT_FOUND");
    set(&server, "EU", json!({ "status": "not_needed", "legal_entity": "Club e.V." })).await;
    let person = json!({ "name": "Grace Hopper", "phone": "+49 30 1234" });
    let dpo = json!({ "address": "privacy@example.org", "is_public": true, "person": person });
    let whole = contact(&server, "EU", "data_protection", dpo).await;
    assert_eq!(whole["contacts"][0]["person"]["name"], "Grace Hopper");
    assert!(!whole["history"].to_string().contains("Hopper"), "the history names nobody's person");
    contact(&server, "EU", "security", json!({ "address": "@sec:example.org", "is_public": true })).await;
    contact(&server, "EU", "authority", json!({ "address": "law@example.org" })).await;
    server.services.status.refresh().await.unwrap();

    let support = anonymous.get("/.well-known/matrix/support").await.ok();
    let text = support.to_string();
    assert!(
        text.contains("privacy@example.org") && !text.contains("law@example.org") && !text.contains("Hopper"),
        "{text}"
    );
    let security = json!({ "role": "m.role.security", "matrix_id": "@sec:example.org" });
    assert!(support["contacts"].as_array().unwrap().contains(&security), "{support}");
    let page = anonymous.get("/status/en").await;
    let page = String::from_utf8(page.bytes.to_vec()).unwrap();
    assert!(page.contains("privacy@example.org") && !page.contains("law@example.org") && !page.contains("Hopper"));

    let public = paper(&server, "EU", "public", "md").await.ok();
    assert!(!public["text"].as_str().unwrap().contains("Hopper"), "{public}");
    let internal = paper(&server, "EU", "internal", "html").await.ok();
    assert!(internal["text"].as_str().unwrap().contains("Grace Hopper"));
    let who = json!({ "who": "Ada" });
    operator(&server, Method::DELETE, "dossiers/EU/contacts/security", who.clone()).await.ok();
    operator(&server, Method::DELETE, "dossiers/EU/contacts/security", who).await.fails(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn a_second_person_reviews_before_a_paper_is_sent() {
    let server = club().await;
    server.user("alice").put(JURISDICTION, &json!({ "jurisdiction": "DE" })).await.ok();
    set(&server, "EU", json!({ "legal_entity": "Club e.V." })).await;
    let lacking = paper(&server, "EU", "authority", "md").await.fails(400, "M_INVALID_PARAM");
    assert!(lacking["error"].as_str().unwrap().contains("a contact as authority, a contact as users"), "{lacking}");
    contact(&server, "EU", "authority", json!({ "address": "law@example.org" })).await;
    contact(&server, "EU", "users", json!({ "address": "help@example.org", "is_public": true })).await;
    let made = paper(&server, "EU", "authority", "md").await.ok();
    let text = made["text"].as_str().unwrap();
    assert!(text.contains("law@example.org") && !text.contains("alice") && !text.contains("accounts"), "{text}");
    let number = made["paper"]["paper"].as_i64().unwrap();

    let by = |who: &str| json!({ "who": who });
    let sent = operator(&server, Method::POST, &format!("papers/{number}/sent"), by("Grace")).await;
    sent.fails(403, "M_FORBIDDEN");
    let own = operator(&server, Method::POST, &format!("papers/{number}/review"), by("ada")).await;
    own.fails(403, "M_FORBIDDEN");
    operator(&server, Method::POST, &format!("papers/{number}/review"), by("Grace")).await.ok();
    let sent = operator(&server, Method::POST, &format!("papers/{number}/sent"), by("Ada")).await.ok();
    assert_eq!((sent["reviewed_by"].as_str(), sent["sent_by"].as_str()), (Some("Grace"), Some("Ada")));
    let again = operator(&server, Method::POST, &format!("papers/{number}/sent"), by("Ada")).await;
    again.fails(400, "M_INVALID_PARAM");
    // What was sent can be read as it was, whatever became of the dossier.
    set(&server, "EU", json!({ "legal_entity": "Another Club" })).await;
    let kept = operator(&server, Method::GET, &format!("papers/{number}?format=md"), Value::Null).await.ok();
    assert_eq!(kept["text"], made["text"]);
}

#[tokio::test]
async fn a_paper_that_says_where_data_is_needs_evidence_of_these_days() {
    let server = club().await;
    server.user("alice").put(JURISDICTION, &json!({ "jurisdiction": "RU" })).await.ok();
    set(&server, "RU", json!({ "legal_entity": "Club e.V." })).await;
    contact(&server, "RU", "authority", json!({ "address": "law@example.org" })).await;
    let refused = paper(&server, "RU", "authority", "md").await.fails(400, "M_INVALID_PARAM");
    assert!(refused["error"].as_str().unwrap().contains("domicile audit"), "{refused}");
    // The operator's own paper says what is missing, and needs none.
    paper(&server, "RU", "internal", "json").await.ok();
}

#[tokio::test]
async fn documents_are_known_by_their_hash() {
    let server = club().await;
    set(&server, "RU", json!({})).await;
    let document = |sha256: &str| json!({ "who": "Ada", "name": "form.pdf", "sha256": sha256, "bytes": 12 });
    let hash = "ab".repeat(32);
    let whole = operator(&server, Method::POST, "dossiers/RU/documents", document(&hash)).await.ok();
    assert_eq!(whole["documents"][0]["sha256"], hash.as_str());
    operator(&server, Method::POST, "dossiers/RU/documents", document(&hash)).await.fails(400, "M_INVALID_PARAM");
    operator(&server, Method::POST, "dossiers/RU/documents", document("xyz")).await.fails(400, "M_INVALID_PARAM");
}

#[tokio::test]
async fn the_operator_is_told_before_a_registration_ends_and_until_it_is_renewed() {
    let server = club().await;
    let in_days = |days: i64| domicile_testkit::server::START_MS + days * DAY_MS;
    set(&server, "RU", json!({ "status": "registered", "number": "1-RR", "expires_ts": in_days(60) })).await;
    let alerts = || async { operator(&server, Method::GET, "alerts", Value::Null).await.ok()["alerts"].clone() };
    assert_eq!(alerts().await, json!([]));
    server.clock.advance(31 * DAY_MS);
    let told = alerts().await;
    assert_eq!((told[0]["kind"].as_str(), told[0]["code"].as_str()), (Some("registration"), Some("RU")), "{told}");
    let since = told[0]["raised_ts"].clone();
    server.clock.advance(DAY_MS);
    assert_eq!(alerts().await[0]["raised_ts"], since, "it is the same alert");
    assert_eq!(server.admin.standing.alerts.counts()["registration"], 1);
    set(&server, "RU", json!({ "expires_ts": in_days(400) })).await;
    assert_eq!(alerts().await, json!([]));
    assert_eq!(server.admin.standing.alerts.counts()["registration"], 0);
}

#[tokio::test]
async fn missing_contacts_are_an_alert() {
    let server = club().await;
    server.user("alice").put(JURISDICTION, &json!({ "jurisdiction": "DE" })).await.ok();
    let found = operator(&server, Method::GET, "alerts", Value::Null).await.ok();
    let subjects: Vec<&str> =
        found["alerts"].as_array().unwrap().iter().map(|alert| alert["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["contacts:EU/points-of-contact"], "{found}");
}
