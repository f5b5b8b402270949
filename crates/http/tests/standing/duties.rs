//! What the law asks, the answers, and what users say of themselves.

use axum::http::Method;
use serde_json::{Value, json};

use super::{JURISDICTION, club, duty, operator, table};

#[tokio::test]
async fn nobody_is_guessed_to_live_anywhere() {
    let server = club().await;
    let found = table(&server, false).await;
    assert_eq!((found["users"].as_u64(), found["users_unknown"].as_u64()), (Some(3), Some(3)));
    assert_eq!(found["jurisdictions"], json!([]));
    assert_eq!(found["others"], json!(["CN", "EU", "ID", "IN", "KZ", "RU", "TR", "VN"]));
    let all = table(&server, true).await;
    let turkey = duty(&all, "TR/localisation");
    assert_eq!(
        (turkey["answer"].as_str(), turkey["because"].as_str(), turkey["short_by"].as_u64()),
        (Some("not_triggered"), Some("below_threshold"), Some(999_998)),
        "{turkey}"
    );
    assert_eq!(duty(&all, "RU/keys")["answer"], "declined_by_design");
}

#[tokio::test]
async fn the_users_own_word_goes_before_the_operators() {
    let server = club().await;
    let alice = server.user("alice");
    assert_eq!(alice.get(JURISDICTION).await.ok()["jurisdiction"], Value::Null);

    let noted = operator(
        &server,
        Method::PUT,
        "users/alice/jurisdiction",
        json!({ "jurisdiction": "RU", "source": "the contract" }),
    );
    assert_eq!(noted.await.ok()["jurisdiction"], "RU");
    let seen = alice.get(JURISDICTION).await.ok();
    assert_eq!((seen["source"].as_str(), seen["noted_ts"].as_i64().is_some()), (Some("the contract"), true));
    assert_eq!(duty(&table(&server, false).await, "RU/localisation")["what"], "the disks stand in DE, not in Russia");

    alice.put(JURISDICTION, &json!({ "jurisdiction": "FR" })).await.ok();
    let noted = operator(&server, Method::GET, "users/alice/jurisdiction", Value::Null).await.ok();
    assert_eq!(
        (noted["jurisdiction"].as_str(), noted["source"].as_str(), noted["stated"].as_str()),
        (Some("FR"), Some("self"), Some("RU"))
    );
    // Told again, it is still the user's word that counts.
    let again = json!({ "jurisdiction": "RU", "source": "the contract" });
    operator(&server, Method::PUT, "users/alice/jurisdiction", again).await.ok();
    let found = table(&server, false).await;
    let codes: Vec<&str> =
        found["jurisdictions"].as_array().unwrap().iter().map(|at| at["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["EU"], "a user of France is one of the Union");
    assert_eq!(found["users_unknown"], 2);

    alice.put(JURISDICTION, &json!({ "jurisdiction": null })).await.ok();
    assert_eq!(alice.get(JURISDICTION).await.ok()["jurisdiction"], "RU");
    alice.put(JURISDICTION, &json!({ "jurisdiction": "Russia" })).await.fails(400, "M_INVALID_PARAM");
    server.anonymous().get(JURISDICTION).await.fails(401, "M_MISSING_TOKEN");
}

#[tokio::test]
async fn who_leaves_is_not_counted_and_leaves_nothing() {
    let server = club().await;
    server.user("bob").put(JURISDICTION, &json!({ "jurisdiction": "RU" })).await.ok();
    assert_eq!(table(&server, false).await["jurisdictions"][0]["users"], 1);
    let bob = server.user("bob").user_id.unwrap();
    server.services.accounts.deactivate(&bob, false).await.unwrap();
    let found = table(&server, false).await;
    assert_eq!((found["users"].as_u64(), found["jurisdictions"].as_array().unwrap().len()), (Some(2), 0));
}

#[tokio::test]
async fn a_decision_is_written_down_and_taken_back() {
    let server = club().await;
    server.user("bob").put(JURISDICTION, &json!({ "jurisdiction": "RU" })).await.ok();
    let path = "standing/duties/RU/ori-registration/decision";
    let why = json!({ "who": "Ada", "why": "it switches on what we decline" });
    let decided = operator(&server, Method::PUT, path, why).await.ok();
    assert_eq!((decided["answer"].as_str(), decided["who"].as_str()), (Some("chosen_not_to"), Some("Ada")));
    assert_eq!(duty(&table(&server, false).await, "RU/ori-registration")["why"], "it switches on what we decline");
    let back = operator(&server, Method::DELETE, path, Value::Null).await.ok();
    assert_eq!(back["answer"], "needs_operator");
    for (body, status) in [(json!({ "who": "", "why": "x" }), 400), (json!({ "who": "a\u{1b}", "why": "x" }), 400)] {
        let refused = operator(&server, Method::PUT, path, body).await;
        assert_eq!(refused.status.as_u16(), status);
    }
    let unknown = operator(&server, Method::GET, "standing/duties/RU/nothing", Value::Null).await;
    unknown.fails(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn a_duty_is_shown_whole() {
    let server = club().await;
    let shown = operator(&server, Method::GET, "standing/duties/RU/keys", Value::Null).await.ok();
    assert!(shown["text"]["declined_by_design"]["words"]["ru"].as_str().unwrap().contains("Ключи"));
    assert_eq!(shown["text"]["sources"][0]["confidence"], "sourced");
    assert_eq!(shown["jurisdiction"], "Russia");
}
