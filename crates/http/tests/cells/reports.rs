//! What somebody told the operator stays for those who look after the rooms when its writer moves away or is erased: as nobody's, and without words.

use axum::{body::Body, http::Request};
use domicile_app::{
    evidence::access_log::{Operator, What},
    moderation::reports::Report,
    moves::{Order, State},
};
use domicile_testkit::{cluster::Cluster, server::TestUser};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{
    V3,
    moves::{finish, foreign, into, order, rows},
    shared, two, until,
};

const WORDS: &str = "words of the one who reports";

async fn report(by: &TestUser, room: &str) {
    by.post(&format!("{V3}/rooms/{room}/report"), &json!({ "reason": WORDS })).await.ok();
}

async fn only(cluster: &Cluster, cell: &str) -> Report {
    let (mut found, _) = cluster.cell(cell).services.reports.list(0, true).await.unwrap();
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_somebody_who_moves_away_stays_as_nobodys() {
    let cluster = two().await.with_user("ru1", "dora").await;
    let (alice, bob, dora) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"), cluster.user("ru1", "dora"));
    let room = shared(&alice, &bob).await;
    alice.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": dora.id() })).await.ok();
    until("the invite comes", || async {
        dora.get(&format!("{V3}/sync")).await.ok()["rooms"]["invite"].get(&room).is_some()
    })
    .await;
    dora.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    report(&bob, &room).await;
    let before = only(&cluster, "ru1").await;
    assert!(before.reporter.as_ref().is_some_and(|reporter| reporter == bob.id()) && before.reason == WORDS);
    into(&cluster, "ru1", &bob, "eu").await;
    let after = only(&cluster, "ru1").await;
    assert_eq!((after.reporter, after.reason.as_str()), (None, ""));
    assert_eq!((after.number, after.subject), (before.number, before.subject));
    for cell in ["eu1", "ru1"] {
        let audit = foreign(&cluster, cell).await;
        assert_eq!(rows(&audit), 0, "{cell}: {audit:#}");
    }
    // It can be dealt with, and removed.
    let reports = &cluster.cell("ru1").services.reports;
    assert!(reports.resolve(after.number).await.unwrap().resolved_ts.is_some());
    reports.delete(after.number).await.unwrap();
    assert!(reports.get(after.number).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_somebody_who_is_erased_stays_as_nobodys_and_the_receipt_says_so() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    report(&bob, &room).await;
    let by = Operator { name: "ada".to_owned(), uid: None };
    let erasures = &cluster.cell("ru1").services.erasures;
    let signed = erasures.erase(bob.user_id.as_ref().unwrap(), by, "asked".to_owned()).await.unwrap();
    let left = only(&cluster, "ru1").await;
    assert_eq!((left.reporter, left.reason.as_str()), (None, ""));
    let remaining = signed.document["body"]["remaining"].as_array().unwrap();
    let told = |what: &str| remaining.iter().any(|one| one["where"].as_str().unwrap().contains(what));
    // No rows of theirs are left in the table; that something was reported is told all the same.
    assert!(!told("reports (") && told("reports to the operator"), "{remaining:#?}");
    for what in ["other cells", "a cell that was their home before", "lists of rooms beside audits"] {
        assert!(told(what), "{what}: {remaining:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_said_against_a_move_is_gone_when_it_is_over() {
    const OBJECTION: &str = "my reasons are my own";
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    shared(&alice, &bob).await;
    let (user_id, moves) = (bob.user_id.clone().unwrap(), &cluster.cell("ru1").moves);
    moves.order(Order { notice_days: 1, ..order(&bob, "eu") }).await.unwrap();
    let objected = moves.object(&user_id, OBJECTION.to_owned()).await.unwrap();
    assert_eq!(objected.progress.objection.as_deref(), Some(OBJECTION));
    moves.decide(&user_id, true, "ada".to_owned()).await.unwrap();
    cluster.pass(2 * 24 * 3_600_000);
    let done = finish(&cluster, "ru1", &bob).await;
    assert_eq!(done.state, State::Done.word(), "{done:#?}");
    let kept = &done.progress;
    assert_eq!((&kept.objection, kept.tickets.len(), kept.left_rooms.len()), (&None, 0, 0));
    assert!(kept.receipt.is_some() && kept.decided_by.as_deref() == Some("ada"), "{kept:#?}");
    // After 400 days nothing of it is known there.
    cluster.pass(401 * 24 * 3_600_000);
    cluster.cell("ru1").moves.run_due().await.unwrap();
    assert!(cluster.cell("ru1").moves.of_user(&user_id).await.unwrap().is_none());
}

/// What the operator's API answers.
async fn asked(cluster: &Cluster, method: &str, path: &str, body: &Value) -> Value {
    let request = Request::builder().method(method).uri(format!("/_domicile/admin/v1/{path}"));
    let request = request.header("content-type", "application/json").header("domicile-operator", "ada");
    let request = request.body(Body::from(body.to_string())).unwrap();
    let answer = domicile_http::admin::routes(cluster.cell("ru1").admin.clone()).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_looks_at_or_decides_is_in_the_persons_log() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    report(&bob, &room).await;
    let number = only(&cluster, "ru1").await.number;
    let to = json!({ "to": "eu", "notice_days": 1 });
    let (moves, jurisdiction) = (format!("moves/{}", bob.id()), format!("users/{}/jurisdiction", bob.id()));
    let empty = Value::Null;
    // Who lists everything sees nobody's words and rooms.
    let listed = asked(&cluster, "GET", "reports", &empty).await;
    assert!(listed["reports"][0]["report"] == number && !listed.to_string().contains(WORDS), "{listed}");
    let shown = asked(&cluster, "POST", &format!("reports/{number}/resolve"), &json!({})).await;
    assert_eq!((&shown["reason"], &shown["reporter"]), (&json!(WORDS), &json!(bob.id())));
    let plan = asked(&cluster, "POST", &format!("{moves}/plan"), &to).await;
    assert!(plan.to_string().contains(&room), "{plan}");
    asked(&cluster, "POST", &moves, &to).await;
    cluster.cell("ru1").moves.object(bob.user_id.as_ref().unwrap(), WORDS.to_owned()).await.unwrap();
    let listed = asked(&cluster, "GET", "moves", &empty).await;
    assert!(listed["moves"][0]["progress"]["objection"] == "" && !listed.to_string().contains(WORDS), "{listed}");
    let shown = asked(&cluster, "GET", &moves, &empty).await;
    assert_eq!(shown["progress"]["objection"], WORDS);
    asked(&cluster, "POST", &format!("{moves}/stop"), &json!({})).await;
    asked(&cluster, "GET", &jurisdiction, &empty).await;
    let services = &cluster.cell("ru1").services;
    let user_num = services.users.num(bob.user_id.as_ref().unwrap()).await.unwrap().unwrap();
    let log = services.access_log.of(user_num).await.unwrap();
    let whats: Vec<What> = log.entries.iter().filter_map(|entry| entry.look.as_ref().map(|look| look.what)).collect();
    let expected =
        [What::Report, What::MovePlanned, What::MoveOrdered, What::MovePlanned, What::MoveDecided, What::Jurisdiction];
    assert_eq!(whats, expected);
}
