//! Names are taken once in the whole deployment.

use axum::{
    body::Body,
    http::{Request, header},
};
use domicile_app::{
    accounts::{
        lifecycle::NewAccount,
        rate_limits::Rate,
        registration::{RegistrationMode, RegistrationSettings},
    },
    residency::Question,
};
use domicile_core::{clock::MINUTE_MS, locality::CellName};
use domicile_testkit::{cluster::Cluster, server::Settings};
use serde_json::{Value, json};

use crate::{V3, two};

fn account(localpart: &str) -> NewAccount {
    NewAccount { localpart: localpart.to_owned(), password: None, registration_token: None, session: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_taken_once_even_if_two_cells_are_asked_in_the_same_instant() {
    let cluster = two().await;
    let (here, there) = (&cluster.cell("eu1").services.accounts, &cluster.cell("ru1").services.accounts);
    assert!(there.create_user(account("alice")).await.is_err(), "she is in the other cell");
    assert!(here.create_user(account("bob")).await.is_err());
    for index in 0..20 {
        let name = format!("racer{index}");
        let (one, other) = tokio::join!(here.create_user(account(&name)), there.create_user(account(&name)));
        assert_ne!(one.is_ok(), other.is_ok(), "exactly one of two gets the name {name}");
    }
    let names = &cluster.cell("eu1").services.users.localities().cells().unwrap().names;
    let status = names.status().await.unwrap();
    assert_eq!(status.names, Some(22));
    assert_eq!(names.check_log().await.unwrap(), 22);
    let there = cluster.cell("ru1").services.users.localities().cells().unwrap().names.status().await.unwrap();
    assert_eq!((there.names, there.decides_here), (None, false), "the other cell holds no directory");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_nobody_and_who_may_not_be_seen_get_one_answer() {
    let cluster = Cluster::with_flow(&["eu", "ru", "us"], "forbid").await;
    let cluster = cluster.with_user("ru1", "bob").await.with_user("us1", "carol").await;
    let carol = cluster.user("us1", "carol");
    let mut answers = Vec::new();
    for user_id in ["@bob:example.org", "@nobody:example.org"] {
        let answer = carol.get(&format!("{V3}/profile/{user_id}")).await;
        answers.push((answer.status, answer.json().to_string().replace(user_id, "…")));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_come_at_once_all_get_their_names() {
    let cluster = two().await;
    let coming = (0..60).map(|number| {
        let accounts = std::sync::Arc::clone(&cluster.cell("eu1").services.accounts);
        tokio::spawn(async move { accounts.create_user(account(&format!("n{number}"))).await })
    });
    for came in futures::future::join_all(coming).await {
        came.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_may_let_go_as_many_as_it_has_and_try_few_that_it_has_not() {
    let cluster = two().await.with_user("ru1", "bella").await.with_user("ru1", "boris").await;
    let names = |cell: &str| &cluster.cell(cell).services.users.localities().cells().unwrap().names;
    let (here, there) = (CellName::parse("eu1").unwrap(), CellName::parse("ru1").unwrap());
    // The other cell has looked up all that it may, and no time passes. Beforehand it may ask as much as ever, and not a part of a question more.
    cluster.hold();
    cluster.pass(10 * MINUTE_MS);
    for count in [500, 1] {
        let question = Question { user_ids: vec!["@nobody:example.org".try_into().unwrap(); count] };
        while names("eu1").look_up_for(&there, &question).await.is_ok() {}
    }
    let of = |localpart: &str| cluster.user("ru1", localpart).user_id.clone().unwrap();
    let let_go = |localpart: &str| names("ru1").let_go(&of(localpart), &here).unwrap();
    // What it looks up is counted apart from what it takes.
    cluster.cell("ru1").services.accounts.create_user(account("newcomer")).await.unwrap();
    // It has tried to move all that it may whose home it is not.
    let mut forged = let_go("bella");
    forged.user_id = cluster.user("eu1", "alice").user_id.clone().unwrap();
    let mut tried = 0;
    while names("eu1").transfer_for(&there, &forged).await.unwrap_err().to_string().contains("cannot be moved") {
        tried += 1;
    }
    assert_eq!(tried, 5_000);
    assert!(names("eu1").transfer_for(&there, &let_go("bob")).await.is_err(), "not even that");
    // One question more.
    cluster.cell("eu1").clock.advance(150);
    for localpart in ["bob", "bella", "boris"] {
        names("eu1").transfer_for(&there, &let_go(localpart)).await.unwrap();
    }
    let mut codes = Vec::new();
    for _ in 0..2 {
        codes.push(names("eu1").transfer_for(&there, &forged).await.unwrap_err().to_string());
    }
    assert!(codes[0].contains("cannot be moved") && !codes[1].contains("cannot be moved"), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_directory_those_who_have_met_go_on() {
    let cluster = two().await.with_user("eu1", "stranger").await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = crate::shared(&alice, &bob).await;
    cluster.cut();
    crate::say(&bob, &room, "alone").await;
    let told = bob.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": "@stranger:example.org" })).await;
    assert_eq!(told.status, 503, "{:?}", told.json());
    assert!(told.json()["error"].as_str().unwrap().contains("try again later"), "{}", told.json());
    let there = &cluster.cell("ru1").services.accounts;
    assert!(there.create_user(account("newcomer")).await.is_err(), "no name is given twice for want of the directory");
    cluster.heal();
    assert!(there.create_user(account("newcomer")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_many_whom_nobody_has_met_is_asked_to_wait() {
    let cells = [("eu1", "eu"), ("ru1", "ru")];
    let few = |_: &str, mut settings: domicile_testkit::server::Settings| {
        settings.rate_limits.strangers = Some(Rate { per_second: 0.1, burst: 10 });
        settings
    };
    let cluster = domicile_testkit::cluster::Cluster::with_own(&cells, "encrypted_only", str::to_owned, few).await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await.with_user("ru1", "carol").await;
    cluster.hold();
    let (bob, carol) = (cluster.user("ru1", "bob"), cluster.user("ru1", "carol"));
    let query = |begin: usize, count: usize| {
        let names = (begin..begin + count).map(|number| (format!("@made{number}:example.org"), json!([])));
        json!({ "device_keys": names.collect::<serde_json::Map<_, _>>() })
    };
    let path = format!("{V3}/keys/query");
    bob.post(&path, &query(0, 11)).await.fails(429, "M_LIMIT_EXCEEDED");
    bob.post(&path, &query(0, 10)).await.ok();
    bob.post(&path, &query(0, 10)).await.ok();
    bob.post(&path, &query(10, 1)).await.fails(429, "M_LIMIT_EXCEEDED");
    // Others ask, and those whom people here know cost nothing.
    carol.post(&path, &query(20, 10)).await.ok();
    bob.post(&path, &json!({ "device_keys": { carol.id(): [] } })).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_only_asked_for_is_forgotten() {
    let cluster = two().await.with_user("eu1", "stranger").await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    crate::shared(&alice, &bob).await;
    bob.get(&format!("{V3}/profile/@stranger:example.org")).await.ok();
    let tickets = &cluster.cell("ru1").services.users.localities().cells().unwrap().tickets;
    let knows = |user_id: &str| tickets.get(<&ruma::UserId>::try_from(user_id).unwrap()).is_some();
    assert!(knows("@stranger:example.org"));
    assert_eq!(tickets.forget_strangers().await.unwrap(), 0, "not on the day on which somebody asked");
    assert_eq!(tickets.forget_strangers().await.unwrap(), 1);
    assert!(!knows("@stranger:example.org") && knows(alice.id()) && knows(bob.id()));
    bob.get(&format!("{V3}/profile/@stranger:example.org")).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_guesses_no_names_by_asking_for_keys() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    crate::shared(&alice, &bob).await;
    let serial = cluster.cell("eu1").services.users.localities().cells().unwrap().own.document().serial;
    cluster.hold();
    cluster.pass(10 * MINUTE_MS);
    let thief = cluster.forger(Some("ru1"), "eu1");
    let ask = async |names: Vec<String>| {
        let keys: serde_json::Map<_, _> = names.into_iter().map(|name| (name, json!([]))).collect();
        let body = json!({ "device_keys": keys });
        let path = "/_matrix/federation/v1/user/keys/query";
        let (origin, method) = ("ru1", axum::http::Method::POST);
        let request =
            domicile_testkit::cluster::Request { origin, serial, number: None, method, path, body: Some(&body) };
        thief.ask(request).await.unwrap().0
    };
    let guesses = |begin: usize| (begin..begin + 1_000).map(|number| format!("@guess{number}:example.org")).collect();
    for thousand in 0..5 {
        assert_eq!(ask(guesses(thousand * 1_000)).await, 200);
    }
    assert_eq!(ask(guesses(5_000)).await, 429);
    assert_eq!(ask(vec!["@stranger:example.org".to_owned()]).await, 429);
    let profile = "/_matrix/federation/v1/query/profile?user_id=@guess:example.org";
    let (origin, method) = ("ru1", axum::http::Method::GET);
    let request =
        domicile_testkit::cluster::Request { origin, serial, number: None, method, path: profile, body: None };
    assert_eq!(thief.ask(request).await.unwrap().0, 429);
    assert_eq!(ask(vec![alice.id().to_owned()]).await, 200, "whom its people are in a room with, it asks for as ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_names_are_withheld_newcomers_get_random_ones_unless_the_operator_insists() {
    let withheld = |document: &str| document.replacen("code = \"ru\"\n", "code = \"ru\"\nprofiles = \"withheld\"\n", 1);
    let open = |name: &str, settings: Settings| Settings {
        registration: RegistrationSettings {
            mode: RegistrationMode::Open,
            chosen_names: name == "ru2",
            ..RegistrationSettings::default()
        },
        ..settings
    };
    let cells = [("eu1", "eu"), ("ru1", "ru"), ("ru2", "ru")];
    let cluster = Cluster::with_own(&cells, "encrypted_only", withheld, open).await;
    let register = async |cell: &str, wish: Value| {
        let (nobody, mut wish) = (cluster.cell(cell).anonymous(), wish);
        wish["password"] = "correct horse battery staple".into();
        let begun = nobody.post(&format!("{V3}/register"), &wish).await;
        if begun.status != 401 {
            return begun;
        }
        wish["auth"] = json!({ "type": "m.login.dummy", "session": begun.json()["session"] });
        nobody.post(&format!("{V3}/register"), &wish).await
    };
    for wish in [json!({ "username": "ivan.petrov" }), json!({ "username": "Ivan.Petrov" })] {
        let told = register("ru1", wish).await.fails(403, "M_FORBIDDEN");
        assert!(told["error"].as_str().unwrap().contains("not chosen"), "{told}");
    }
    let asked = cluster.cell("ru1").anonymous().get(&format!("{V3}/register/available?username=ivan.petrov")).await;
    assert!(asked.fails(403, "M_FORBIDDEN")["error"].as_str().unwrap().contains("not chosen"));
    let made = register("ru1", json!({})).await.ok();
    assert_eq!(made["user_id"].as_str().unwrap().split(':').next().unwrap().len(), 13, "{made}");
    // Where the operator says otherwise, and in other regions, people choose.
    assert_eq!(register("ru2", json!({ "username": "ivan" })).await.ok()["user_id"], "@ivan:example.org");
    assert_eq!(register("eu1", json!({ "username": "erik" })).await.ok()["user_id"], "@erik:example.org");
    // The operator, too, has to say so.
    let add = async |body: Value| {
        let request = Request::post("/_domicile/admin/v1/users").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let routes = domicile_http::admin::routes(cluster.cell("ru1").admin.clone());
        let answer = tower::ServiceExt::oneshot(routes, request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        (status, serde_json::from_slice::<Value>(&bytes).unwrap())
    };
    let (status, told) = add(json!({ "user": "olga" })).await;
    assert_eq!(status, 403, "{told}");
    assert!(told["error"].as_str().unwrap().contains("--named"), "{told}");
    let (status, told) = add(json!({ "user": "olga", "named": true })).await;
    assert_eq!((status, &told["user_id"]), (200, &json!("@olga:example.org")));
    let (status, told) = add(json!({ "password": "correct horse battery staple" })).await;
    assert_eq!((status, told["user_id"].as_str().unwrap().len()), (200, "@:example.org".len() + 12), "{told}");
}
