//! Demands: clocks, decisions, what was given, and counts for everybody.

use axum::http::Method;
use domicile_core::clock::HOUR_MS;
use serde_json::{Value, json};

use super::{club, duty, operator, table};

fn demand(more: Value) -> Value {
    let mut demand = json!({
        "code": "RU", "authority": "An authority", "basis": "149-FZ, art. 10.1", "scope": "who is @alice:localhost?", "who": "Ada",
    });
    let Value::Object(more) = more else { panic!("more keys") };
    demand.as_object_mut().unwrap().extend(more);
    demand
}

#[tokio::test]
async fn a_demand_has_the_clock_of_its_duty_and_triggers_it() {
    let server = club().await;
    let bob = server.user("bob");
    bob.put(super::JURISDICTION, &json!({ "jurisdiction": "RU" })).await.ok();
    assert_eq!(duty(&table(&server, false).await, "RU/violators-register")["because"], "nobody_asked");
    let added =
        operator(&server, Method::POST, "demands", demand(json!({ "duty": "RU/violators-register" }))).await.ok();
    let (received, due) = (added["received_ts"].as_i64().unwrap(), added["due_ts"].as_i64().unwrap());
    assert_eq!(due - received, 24 * HOUR_MS);
    assert_eq!(duty(&table(&server, false).await, "RU/violators-register")["answer"], "needs_operator");

    server.clock.advance(25 * HOUR_MS);
    let listed = operator(&server, Method::GET, "demands", Value::Null).await.ok();
    assert_eq!(listed["demands"][0]["is_late"], true);
    let alerts = operator(&server, Method::GET, "alerts", Value::Null).await.ok();
    assert!(alerts.to_string().contains("is past its time"), "{alerts}");
}

#[tokio::test]
async fn an_answer_says_what_was_given_and_is_final() {
    let server = club().await;
    let number = operator(&server, Method::POST, "demands", demand(json!({}))).await.ok()["demand"].as_i64().unwrap();
    let path = format!("demands/{number}/answer");
    let answer = |outcome: &str, given: Value| json!({ "outcome": outcome, "decision": "as the law has it", "who": "Grace", "given": given });
    for (outcome, given) in [
        ("complied", json!({})),
        ("refused", json!({ "account": 10 })),
        ("partly", json!({ "everything": 10 })),
        ("partly", json!({ "account": 0 })),
    ] {
        operator(&server, Method::POST, &path, answer(outcome, given)).await.fails(400, "M_INVALID_PARAM");
    }
    let answered = operator(&server, Method::POST, &path, answer("partly", json!({ "account": 120 }))).await.ok();
    assert_eq!((answered["state"].as_str(), answered["given"]["account"].as_i64()), (Some("partly"), Some(120)));
    operator(&server, Method::POST, &path, answer("refused", json!({}))).await.fails(400, "M_INVALID_PARAM");

    let counts = operator(&server, Method::GET, "demands/counts", Value::Null).await.ok();
    let expected = json!({ "received": 1, "open": 0, "nothing_given": 0, "given": 1, "bytes": 120 });
    assert_eq!(counts["years"]["2026"]["RU"], expected, "{counts}");
}

#[tokio::test]
async fn demands_that_make_no_sense_are_refused() {
    let server = club().await;
    for (more, code) in [
        (json!({ "received_ts": 9_000_000_000_000_i64 }), "M_INVALID_PARAM"),
        (json!({ "duty": "EU/transfers" }), "M_NOT_FOUND"),
        (json!({ "authority": "" }), "M_INVALID_PARAM"),
        (json!({ "scope": "x".repeat(9_000) }), "M_INVALID_PARAM"),
        (json!({ "code": "Russia" }), "M_INVALID_PARAM"),
    ] {
        let answer = operator(&server, Method::POST, "demands", demand(more)).await;
        assert_eq!(answer.json()["errcode"], code);
    }
    operator(&server, Method::GET, "demands/99", Value::Null).await.fails(404, "M_NOT_FOUND");
}
