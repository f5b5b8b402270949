//! All who live under one law move: one administrator asks for it, and another one confirms.

use domicile_app::{
    evidence::access_log::{Look, Operator, What},
    moves::{
        Forbidden, Target,
        groups::{GroupWish, Refused},
    },
};
use domicile_testkit::{cluster::Cluster, server::TestUser};
use serde_json::json;

use crate::{
    V3,
    moves::{at, finish},
};

const JURISDICTION: &str = "/_matrix/client/unstable/org.domicile/jurisdiction";

async fn lives_in(user: &TestUser, code: &str) {
    user.put(JURISDICTION, &json!({ "jurisdiction": code })).await.ok();
}

fn wish(region: &str) -> GroupWish {
    let to = Target::Region(region.to_owned());
    GroupWish { to, notice_days: 0, address_days: 90, forbidden: Forbidden::Refuse }
}

fn operator(name: &str) -> Operator {
    Operator { name: name.to_owned(), uid: None }
}

fn by(name: &str) -> (Operator, String) {
    (operator(name), "the law has changed".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_live_under_a_law_move_when_somebody_else_confirms_it() {
    let mut cluster = Cluster::of(&["eu", "ch"]).await;
    for name in ["alice", "carol", "dave", "erin"] {
        cluster = cluster.with_user("eu1", name).await;
    }
    let user = |name: &str| cluster.user("eu1", name);
    let (alice, carol, dave, erin) = (user("alice"), user("carol"), user("dave"), user("erin"));
    // A union has its members' people.
    for (who, code) in [(&alice, "DE"), (&carol, "EU"), (&dave, "RU"), (&erin, "FR")] {
        lives_in(who, code).await;
    }
    let (moves, log) = (&cluster.cell("eu1").moves, &cluster.cell("eu1").admin.evidence.access_log);
    let plan = moves.plan_group("EU", &wish("ch")).await.unwrap();
    assert_eq!((plan.people, plan.refused.len()), (3, 0), "{plan:#?}");

    assert!(moves.ask_group("EU".to_owned(), wish("mars"), by("ada")).await.is_err(), "there is no such region");
    assert!(moves.ask_group("EU".to_owned(), wish("ch"), (operator("ada"), " ".to_owned())).await.is_err());
    let asked = moves.ask_group("EU".to_owned(), wish("ch"), by("ada")).await.unwrap();
    assert_eq!(moves.groups().await.unwrap()[0].id, asked.id);
    let alone = moves.confirm_group(&asked.id, &operator(" ADA "), log).await;
    assert!(
        alone.is_err_and(|error| error.to_string().contains("Somebody else")),
        "nobody confirms what they asked for"
    );
    assert!(moves.of_user(alice.user_id.as_ref().unwrap()).await.unwrap().is_none(), "nobody has been ordered to move");

    // One of them is on the way already, by an order of her own.
    moves.order(crate::moves::order(&erin, "ch")).await.unwrap();
    let ordered = moves.confirm_group(&asked.id, &operator("grace"), log).await.unwrap();
    assert_eq!(ordered.ordered, 2);
    for (who, looks) in [(&alice, 1), (&dave, 0)] {
        let user_num = cluster.cell("eu1").services.users.num(who.user_id.as_ref().unwrap()).await.unwrap().unwrap();
        let told = log.of(user_num).await.unwrap();
        let ordered = |look: &Look| look.what == What::MoveOrdered && look.by.name == "grace";
        let found = told.entries.iter().filter(|entry| entry.look.as_ref().is_some_and(ordered)).count();
        assert_eq!(found, looks, "{}", who.id());
    }
    let [Refused { user_id, reason }] = &ordered.refused[..] else { panic!("{ordered:#?}") };
    assert!(user_id.as_str() == erin.id() && reason.contains("on the way already"), "{ordered:#?}");
    assert!(moves.confirm_group(&asked.id, &operator("grace"), log).await.is_err(), "once");
    for who in [&alice, &carol, &erin] {
        assert_eq!(finish(&cluster, "eu1", who).await.state, "done");
        at(&cluster, "ch1", who).get(&format!("{V3}/account/whoami")).await.ok();
    }
    let shown = moves.of_user(alice.user_id.as_ref().unwrap()).await.unwrap().unwrap();
    assert_eq!((shown.by.as_str(), shown.reason.as_str()), ("ada, confirmed by grace", "the law has changed"));
    assert!(moves.of_user(dave.user_id.as_ref().unwrap()).await.unwrap().is_none(), "another law is nobody's concern");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waited_for_a_week_is_made_anew() {
    let cluster = Cluster::of(&["eu", "ch"]).await.with_user("eu1", "alice").await;
    lives_in(&cluster.user("eu1", "alice"), "DE").await;
    let (moves, log) = (&cluster.cell("eu1").moves, &cluster.cell("eu1").admin.evidence.access_log);
    let asked = moves.ask_group("DE".to_owned(), wish("ch"), by("ada")).await.unwrap();
    cluster.pass(8 * 24 * 3_600_000);
    let late = moves.confirm_group(&asked.id, &operator("grace"), log).await;
    assert!(late.is_err_and(|error| error.to_string().contains("more than a week")));
}
