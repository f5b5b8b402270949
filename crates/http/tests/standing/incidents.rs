//! Incidents: one record from the first sign to the end.

use axum::http::Method;
use domicile_app::standing::incidents::{IncidentKind, IncidentState, Sign};
use serde_json::{Value, json};

use super::{club, operator};

fn sign(state: IncidentState) -> Sign {
    Sign {
        sign: "access:RU".to_owned(),
        code: Some("RU".to_owned()),
        kind: IncidentKind::Listed,
        state,
        who: "blocklist".to_owned(),
        note: "entry 5 of 2026-05-28\u{1b}[2J".to_owned(),
    }
}

#[tokio::test]
async fn signs_of_one_thing_are_one_incident_until_it_is_over() {
    let server = club().await;
    let incidents = &server.admin.standing.incidents;
    let first = incidents.sign(sign(IncidentState::FirstSign)).await.unwrap();
    let second = incidents.sign(sign(IncidentState::Confirmed)).await.unwrap();
    assert_eq!((first.incident, second.updates.len()), (second.incident, 2));
    assert_eq!(second.state, "confirmed");
    assert!(!second.updates[0].note.as_ref().unwrap().contains('\u{1b}'), "nothing moves the operator's cursor");
    let page = |server: &domicile_testkit::server::TestServer| {
        String::from_utf8(server.services.status.page(domicile_app::standing::Language::En).body.to_vec()).unwrap()
    };
    assert!(page(&server).contains("Everything works"), "nobody is told before somebody says so");

    let path = format!("incidents/{}/updates", first.incident);
    let told = json!({ "words": { "en": "We are on a list." }, "is_public": true, "who": "Ada" });
    operator(&server, Method::POST, &path, told).await.ok();
    assert!(page(&server).contains("We are on a list.") && page(&server).contains("verdict unwell"));

    assert_eq!(incidents.about("access:RU").await.unwrap().unwrap().incident, first.incident);
    let over = json!({ "state": "resolved", "note": "gone", "who": "Ada" });
    let over = operator(&server, Method::POST, &path, over).await.ok();
    assert_eq!(over["state"], "resolved");
    assert!(over["resolved_ts"].is_i64() && page(&server).contains("Everything works"));
    let more = json!({ "who": "Ada", "note": "more" });
    operator(&server, Method::POST, &path, more).await.fails(400, "M_INVALID_PARAM");
    assert!(incidents.about("access:RU").await.unwrap().is_none());
    let next = incidents.sign(sign(IncidentState::FirstSign)).await.unwrap();
    assert_ne!(next.incident, first.incident, "what comes again is a new incident");
    let listed = operator(&server, Method::GET, "incidents", Value::Null).await.ok();
    assert_eq!(listed["incidents"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_somebody_writes_is_checked() {
    let server = club().await;
    let open = |more: Value| {
        let mut body = json!({ "kind": "outage", "who": "Ada" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for bad in [
        json!({ "who": "" }),
        json!({ "words": { "English": "x" } }),
        json!({ "words": { "en": "" } }),
        json!({ "words": { "en": "x".repeat(9_000) } }),
        json!({ "code": "Russia" }),
    ] {
        operator(&server, Method::POST, "incidents", open(bad)).await.fails(400, "M_INVALID_PARAM");
    }
    let opened = operator(&server, Method::POST, "incidents", open(json!({ "is_public": true }))).await.ok();
    assert_eq!((opened["state"].as_str(), opened["is_public"].as_bool()), (Some("confirmed"), Some(true)));
    operator(&server, Method::GET, "incidents/99", Value::Null).await.fails(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn signs_at_the_same_time_are_not_lost() {
    let server = club().await;
    let incidents = &server.admin.standing.incidents;
    let all = futures::future::join_all((0..4).map(|_| incidents.sign(sign(IncidentState::Confirmed)))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let listed = incidents.list().await.unwrap();
    assert_eq!((listed.len(), listed[0].updates.len()), (1, 4), "one incident, four signs");
}
