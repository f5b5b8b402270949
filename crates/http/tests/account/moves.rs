//! Her home: the regions that she rules out, and moves to which she objects.

use axum::http::header;
use domicile_app::moves::{Forbidden, Order, Target};
use domicile_core::clock::HOUR_MS;
use domicile_testkit::{cluster::Cluster, server::Settings};

use crate::{Browser, text};

#[tokio::test(flavor = "multi_thread")]
async fn what_she_names_rules_regions_out_and_she_reads_why() {
    let laws = |text: &str| {
        let law = |text: String, code: &str, law: &str| {
            let bare = format!("code = \"{code}\"\njurisdictions = []");
            assert!(text.contains(&bare), "{text}");
            text.replace(&bare, &format!("code = \"{code}\"\njurisdictions = [\"{law}\"]"))
        };
        law(law(text.to_owned(), "eu", "EU"), "ru", "RU")
    };
    let cluster = Cluster::with_own(&[("eu1", "eu"), ("ru1", "ru")], "encrypted_only", laws, |_, settings| settings);
    let cluster = cluster.await.with_user("eu1", "alice").await;
    let (server, user_id) = (cluster.cell("eu1"), cluster.user("eu1", "alice").user_id.unwrap());
    let mut alice = Browser::of(server, "alice").await;
    assert!(text(&alice.get("/account/en").await).contains("You have named none."));
    let order = Order {
        user_id: user_id.clone(),
        to: Target::Region("ru".to_owned()),
        by: "ada".to_owned(),
        reason: String::new(),
        notice_days: 1,
        address_days: 90,
        forbidden: Forbidden::Refuse,
    };
    server.moves.order(order).await.unwrap();

    let refused = alice.act("/account/en", "/account/en/never", &[("codes", "RU <i>x</i>")]).await;
    assert!(refused.status.as_u16() == 400 && !text(&refused).contains("<i>x"), "{}", text(&refused));
    let named = alice.act("/account/en", "/account/en/never", &[("codes", " ru,de ")]).await;
    assert_eq!(&named.headers["location"], "/account/en#never");
    let noted = server.services.jurisdictions.of(&user_id).await.unwrap();
    assert_eq!((noted.never_in, noted.jurisdiction), (vec!["DE".to_owned(), "RU".to_owned()], None));
    for (language, said) in [
        (
            "en",
            [
                "is not moved into the region <b>ru (RU)</b>, since",
                "It is the region <b>eu (EU)</b>, since this law holds there: <b>EU</b>.",
                "It will not take place",
            ],
        ),
        (
            "de",
            [
                "zieht nicht um in die Region <b>ru (RU)</b>, denn",
                "Es ist die Region <b>eu (EU)</b>, denn",
                "wird nicht stattfinden",
            ],
        ),
        ("ru", ["не переедет в регион <b>ru (RU)</b>, так как", "Это регион <b>eu (EU)</b>, так как", "не состоится"]),
        ("zh", ["不会迁移到区域 <b>ru (RU)</b>，因为", "该区域是 <b>eu (EU)</b>，因为", "此次迁移不会进行"]),
    ] {
        let page = text(&alice.get(&format!("/account/{language}")).await);
        for said in said {
            assert!(page.contains(said), "{language}: {said}: {page}");
        }
        assert!(page.contains("value=\"DE RU\""), "{language}: {page}");
    }
    server.clock.advance(25 * HOUR_MS);
    server.moves.run_due().await.unwrap();
    let mut alice = Browser::of(server, "alice").await;
    assert!(text(&alice.get("/account/en").await).contains("It ended because you have named a country"));

    assert_eq!(alice.act("/account/de", "/account/de/never", &[("codes", "")]).await.status.as_u16(), 303);
    let page = text(&alice.get("/account/en").await);
    assert!(page.contains("You have named none.") && !page.contains("ru (RU)"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn she_reads_that_she_is_to_move_and_objects() {
    let cluster = Cluster::of(&["eu", "ch"]).await.with_user("eu1", "alice").await;
    let (server, user_id) = (cluster.cell("eu1"), cluster.user("eu1", "alice").user_id.unwrap());
    let mut alice = Browser::of(server, "alice").await;
    assert!(text(&alice.get("/account/en").await).contains("No move of your account"));
    let refused = alice.act("/account/en", "/account/en/object", &[("reason", "I stay.")]).await;
    assert_eq!(refused.status.as_u16(), 404, "there is nothing to object to");

    let order = Order {
        user_id: user_id.clone(),
        to: Target::Region("ch".to_owned()),
        by: "ada".to_owned(),
        reason: "the law <b>has</b> changed".to_owned(),
        notice_days: 14,
        address_days: 90,
        forbidden: Forbidden::Refuse,
    };
    server.moves.order(order).await.unwrap();
    for (language, planned) in [
        ("en", "It is planned to move your account to the region <b>ch"),
        ("de", "Es ist geplant, Ihr Konto umzuziehen, in die Region <b>ch"),
        ("ru", "Планируется переезд вашей учётной записи в регион <b>ch"),
        ("zh", "计划将您的账户迁移到区域 <b>ch"),
    ] {
        let page = text(&alice.get(&format!("/account/{language}")).await);
        for said in [planned, "the law &lt;b&gt;has&lt;/b&gt; changed", "/object\""] {
            assert!(page.contains(said), "{language}: {said}: {page}");
        }
        assert!(!page.contains("ch1"), "by which cells she goes is not told");
    }
    server.clock.advance(HOUR_MS);
    assert_eq!(server.moves.run_due().await.unwrap(), 0, "it is too early");

    let mut alice = Browser::of(server, "alice").await;
    let objected = alice.act("/account/en", "/account/en/object", &[("reason", " I <i>stay</i>. ")]).await;
    assert_eq!(&objected.headers["location"], "/account/en#move");
    let page = text(&alice.get("/account/en").await);
    assert!(page.contains("I &lt;i&gt;stay&lt;/i&gt;.") && !page.contains("/object\""), "{page}");
    assert!(page.contains("before those who run the service have decided"), "{page}");
    server.clock.advance(20 * 24 * HOUR_MS);
    assert_eq!(server.moves.run_due().await.unwrap(), 0, "nothing is moved before it is decided");
    server.admin.standing.alerts.look().await.unwrap();
    let alerts = server.admin.standing.alerts.list().await.unwrap();
    let alert = alerts.iter().find(|alert| alert.kind == "objection").expect("the operator is told");
    assert!(!alert.what.contains("alice"), "{}", alert.what);

    server.moves.decide(&user_id, true, "ada".to_owned()).await.unwrap();
    let mut alice = Browser::of(server, "alice").await;
    assert!(text(&alice.get("/account/en").await).contains("have decided that it goes on"));
    server.admin.standing.alerts.look().await.unwrap();
    assert!(server.admin.standing.alerts.list().await.unwrap().iter().all(|alert| alert.kind != "objection"));
    server.moves.stop(&user_id, "ada".to_owned()).await.unwrap();
    assert!(text(&alice.get("/account/en").await).contains("It was stopped on"));
}
