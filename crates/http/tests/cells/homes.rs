//! Where homes are and should be: a plan by a document that is not in force yet, the reason in a paragraph, and nobody moves where they said never.

use axum::{body::Body, http::Request};
use domicile_app::{
    evidence::access_log::What,
    moves::{Order, Target},
};
use domicile_core::ids::UserNum;
use domicile_testkit::{cluster::Cluster, server::TestUser};
use serde_json::json;
use tower::ServiceExt as _;

use crate::{moves::order, two, until};

const JURISDICTION: &str = "/_matrix/client/unstable/org.domicile/jurisdiction";

/// `eu` serves the union, `ru` Russia.
fn with_laws(document: &str) -> String {
    let document = document.replacen("serial = 2", "serial = 3", 1);
    let document = document.replacen("jurisdictions = []", "jurisdictions = [\"EU\"]", 1);
    document.replacen("jurisdictions = []", "jurisdictions = [\"RU\"]", 1)
}

async fn why(cluster: &Cluster, cell: &str, user: &TestUser) -> String {
    cluster.cell(cell).admin.homes.explain(user.user_id.as_ref().unwrap()).await.unwrap().text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_names_who_would_have_to_move_and_explains_why() {
    let mut cluster = two().await.with_user("eu1", "carol").await.with_user("eu1", "dora").await;
    for (name, code) in [("alice", "DE"), ("carol", "RU")] {
        let told = json!({ "jurisdiction": code });
        cluster.user("eu1", name).put(JURISDICTION, &told).await.ok();
    }
    // No region serves anybody yet.
    let homes = &cluster.cell("eu1").admin.homes;
    let page = homes.plan(None, UserNum(0)).await.unwrap();
    assert_eq!((page.serial, page.people, page.served, page.served_nowhere, page.not_noted), (2, 3, 0, 2, 1));
    assert!(page.misplaced.is_empty() && page.next.is_none());
    // By a document that nobody has signed.
    let planned = homes.plan(Some(&with_laws(cluster.document())), UserNum(0)).await.unwrap();
    assert_eq!((planned.serial, planned.served, planned.not_noted, planned.misplaced.len()), (3, 1, 1, 1));
    let carol = &planned.misplaced[0];
    assert_eq!((carol.user_id.as_str(), &*carol.should_be_in), ("@carol:example.org", &["ru".to_owned()][..]));
    for wrong in ["", "serial = ", &with_laws(cluster.document()).replace("example.org\"", "example.com\"")] {
        assert!(homes.plan(Some(wrong), UserNum(0)).await.is_err(), "{wrong}");
    }

    Box::pin(cluster.change(with_laws)).await;
    let carol = cluster.user("eu1", "carol");
    let text = why(&cluster, "eu1", &carol).await;
    assert!(
        text.starts_with(
            "@carol:example.org is at home in the cell eu1, in the region eu (EU). The account was made here on "
        ),
        "{text}"
    );
    assert!(text.contains("They are noted as living under the law of RU, by their own word on "), "{text}");
    assert!(text.ends_with("which the region eu does not serve and another one does. It should be in ru."), "{text}");
    let text = why(&cluster, "eu1", &cluster.user("eu1", "dora")).await;
    assert!(text.ends_with("No jurisdiction is noted, and none is guessed, so the home can stay in eu."), "{text}");

    // She moves; the new home knows why she is there, the old one where she is.
    let moves = &cluster.cell("eu1").moves;
    moves.order(order(&carol, "ru")).await.unwrap();
    until("she has moved", || async {
        moves.run_due().await.unwrap();
        cluster.pass(61_000);
        moves.of_user(carol.user_id.as_ref().unwrap()).await.unwrap().unwrap().ended_ts.is_some()
    })
    .await;
    let text = why(&cluster, "ru1", &carol).await;
    assert!(text.contains("They moved here from the cell eu1 on "), "{text}");
    assert!(text.ends_with("The region ru serves RU, so the home is where it should be."), "{text}");
    let text = why(&cluster, "eu1", &carol).await;
    assert_eq!(
        text,
        "@carol:example.org is at home in the cell ru1, in the region ru (RU). Why is known there alone: ask that cell."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_moves_where_they_want_nothing_of_theirs_to_be() {
    let mut cluster = two().await;
    Box::pin(cluster.change(with_laws)).await;
    let alice = cluster.user("eu1", "alice");
    for bad in [json!({ "never_in": "RU" }), json!({ "never_in": ["Russia"] }), json!({ "never_in": vec!["RU"; 51] })] {
        let answer = alice.put(JURISDICTION, &bad).await;
        assert!(answer.status.is_client_error(), "{bad}: {}", answer.status);
    }
    let noted = alice.put(JURISDICTION, &json!({ "never_in": ["RU", "CN", "RU"] })).await.ok();
    assert_eq!((&noted["never_in"], &noted["jurisdiction"]), (&json!(["CN", "RU"]), &json!(null)));
    // The one does not take the other back.
    let noted = alice.put(JURISDICTION, &json!({ "jurisdiction": "DE" })).await.ok();
    assert_eq!((&noted["never_in"], &noted["jurisdiction"]), (&json!(["CN", "RU"]), &json!("DE")));

    let moves = &cluster.cell("eu1").moves;
    let plan = moves.plan(alice.user_id.as_ref().unwrap(), &Target::Region("ru".to_owned())).await.unwrap();
    assert!(plan.barred.is_some_and(|why| why.contains("under the law of RU")));
    let refused = moves.order(order(&alice, "ru")).await.unwrap_err().to_string();
    assert!(refused.contains("nothing of theirs may be there"), "{refused}");

    // Said after the move was announced, it ends the move.
    alice.put(JURISDICTION, &json!({ "never_in": [] })).await.ok();
    moves.order(Order { notice_days: 1, ..order(&alice, "ru") }).await.unwrap();
    alice.put(JURISDICTION, &json!({ "never_in": ["RU"] })).await.ok();
    cluster.pass(25 * 60 * 60 * 1000);
    moves.run_due().await.unwrap();
    let shown = moves.of_user(alice.user_id.as_ref().unwrap()).await.unwrap().unwrap();
    assert_eq!(shown.state, "stopped");
    assert!(shown.error.is_some_and(|why| why.contains("under the law of RU")));
    assert!(why(&cluster, "eu1", &alice).await.contains("Nothing of theirs may be under the law of RU"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_why_is_in_the_persons_log() {
    let cluster = two().await;
    let alice = cluster.user("eu1", "alice");
    let admin = &cluster.cell("eu1").admin;
    let path = format!("/_domicile/admin/v1/homes/{}", alice.id());
    let request = Request::get(path).header("domicile-operator", "ada").body(Body::empty()).unwrap();
    let answer = domicile_http::admin::routes(admin.clone()).oneshot(request).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let user_num = admin.homes.user_num(alice.user_id.as_ref().unwrap()).await.unwrap().unwrap();
    let log = admin.evidence.access_log.of(user_num).await.unwrap();
    assert!(log.entries.iter().any(|entry| entry.look.as_ref().is_some_and(|look| look.what == What::Home)));
}
