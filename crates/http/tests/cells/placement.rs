//! New people of a region go to its emptiest cell, and no number crosses a border.

use domicile_app::accounts::{
    lifecycle::NewAccount,
    rate_limits::Rate,
    registration::{RegistrationMode, RegistrationSettings},
    registration_tokens::NewToken,
};
use domicile_app::residency::BLOCK;
use domicile_core::{clock::MINUTE_MS, locality::CellName};
use domicile_testkit::{
    cluster::Cluster,
    server::{Answered, Settings, TestUser},
};
use serde_json::json;

use super::V3;

/// Asks a cell for an account, as a client does first: an answer of 401 names the stages that are wanted.
async fn ask(cluster: &Cluster, cell: &str) -> Answered {
    let nobody: TestUser = cluster.cell(cell).anonymous();
    let wish = json!({ "username": "dora", "password": "correct horse battery staple" });
    nobody.post(&format!("{V3}/register"), &wish).await
}

async fn places(cluster: &Cluster, cell: &str) -> Vec<(String, Option<u64>)> {
    let cells = cluster.cell(cell).services.users.localities().cells().unwrap();
    cells.placement.places().await.unwrap().into_iter().map(|place| (place.cell, place.homes)).collect()
}

#[tokio::test]
async fn whoever_asks_a_fuller_cell_is_told_where_to_ask() {
    let mut cluster = Cluster::of_cells(&[("eu1", "eu"), ("eu2", "eu"), ("ru1", "ru")], "encrypted_only").await;
    for number in 0..9 {
        cluster = cluster.with_user("eu1", &format!("p{number}")).await;
    }
    assert_eq!(ask(&cluster, "eu1").await.status, 401, "a few more are no reason to go elsewhere");
    let cluster = cluster.with_user("eu1", "tenth").await;
    cluster.pass(MINUTE_MS);

    let told = ask(&cluster, "eu1").await.fails(403, "M_FORBIDDEN");
    let error = told["error"].as_str().unwrap();
    assert!(error.contains("https://eu2.example.org/"), "{error}");
    assert_eq!(ask(&cluster, "eu2").await.status, 401);
    assert_eq!(ask(&cluster, "ru1").await.status, 401, "another region's people stay in it");
    assert_eq!(places(&cluster, "eu1").await, [("eu2".to_owned(), Some(0)), ("eu1".to_owned(), Some(10))]);
    assert_eq!(places(&cluster, "ru1").await, [("ru1".to_owned(), Some(0))]);
}

#[tokio::test]
async fn whoever_asks_again_and_again_is_not_even_told_where() {
    let few = |_: &str, mut settings: Settings| {
        settings.rate_limits.registration = Some(Rate { per_second: 0.1, burst: 2 });
        settings
    };
    let cells = [("eu1", "eu"), ("eu2", "eu")];
    let cluster = Cluster::with_own(&cells, "encrypted_only", str::to_owned, few).await;
    for number in 0..10 {
        let account =
            NewAccount { localpart: format!("p{number}"), password: None, registration_token: None, session: None };
        cluster.cell("eu1").services.accounts.create_user(account).await.unwrap();
    }
    cluster.hold();
    cluster.pass(MINUTE_MS);
    for _ in 0..2 {
        ask(&cluster, "eu1").await.fails(403, "M_FORBIDDEN");
    }
    ask(&cluster, "eu1").await.fails(429, "M_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn names_that_are_reserved_for_newcomers_make_no_cell_full() {
    let cluster = Cluster::of_cells(&[("eu1", "eu"), ("eu2", "eu")], "encrypted_only").await;
    let names = &cluster.cell("eu1").services.users.localities().cells().unwrap().names;
    assert_eq!(names.reserve().await.unwrap(), usize::try_from(BLOCK).unwrap());
    assert_eq!(ask(&cluster, "eu1").await.status, 401);
    assert_eq!(places(&cluster, "eu1").await, [("eu1".to_owned(), Some(0)), ("eu2".to_owned(), Some(0))]);
}

#[tokio::test]
async fn a_cell_that_does_not_answer_is_left_out() {
    let mut cluster = Cluster::of_cells(&[("eu1", "eu"), ("eu2", "eu")], "encrypted_only").await;
    for number in 0..10 {
        cluster = cluster.with_user("eu1", &format!("p{number}")).await;
    }
    cluster.pass(MINUTE_MS);
    cluster.cut();
    assert_eq!(ask(&cluster, "eu1").await.status, 401, "nobody is sent where nobody answers");
    assert_eq!(places(&cluster, "eu1").await, [("eu1".to_owned(), Some(10)), ("eu2".to_owned(), None)]);
}

#[tokio::test]
async fn how_full_a_cell_is_crosses_no_border() {
    let cluster = Cluster::of_cells(&[("eu1", "eu"), ("ru1", "ru")], "encrypted_only").await;
    let cells = &cluster.cell("ru1").services.users.localities().cells().unwrap();
    let told = cells.placement.load_for(&CellName::parse("eu1").unwrap()).await;
    assert!(told.is_err(), "{told:?}");
    assert!(cells.placement.load_for(&CellName::parse("ru1").unwrap()).await.is_ok());
}

#[tokio::test]
async fn a_registration_token_leads_to_the_cell_that_gave_it() {
    let cells = [("eu1", "eu"), ("ru1", "ru")];
    let by_token = |_: &str, settings: Settings| Settings {
        registration: RegistrationSettings { mode: RegistrationMode::Token, ..RegistrationSettings::default() },
        ..settings
    };
    let cluster = Cluster::with_own(&cells, "encrypted_only", str::to_owned, by_token).await;
    let tokens = &cluster.cell("ru1").services.registration_tokens;
    let token = tokens.add(NewToken { uses_allowed: Some(1), ..NewToken::default() }).await.unwrap().token;
    let nobody = cluster.cell("eu1").anonymous();
    let begun = ask(&cluster, "eu1").await;
    let session = begun.json()["session"].clone();
    let register = |token: &str| {
        let auth = json!({ "type": "m.login.registration_token", "token": token, "session": session });
        json!({ "username": "dora", "password": "correct horse battery staple", "auth": auth })
    };
    let told = nobody.post(&format!("{V3}/register"), &register(&token)).await.fails(403, "M_FORBIDDEN");
    let error = told["error"].as_str().unwrap();
    assert!(error.contains("https://ru1.example.org") && error.contains("register there"), "{error}");
    let validity = format!("/_matrix/client/v1/register/m.login.registration_token/validity?token={token}");
    nobody.get(&validity).await.fails(403, "M_FORBIDDEN");
    // One that nobody gave is nobody's, and nothing was used up.
    assert_eq!(nobody.post(&format!("{V3}/register"), &register("nonsense")).await.status, 401);
    let there = cluster.cell("ru1").anonymous();
    assert_eq!(there.get(&validity).await.ok()["valid"], true);
    cluster.cut();
    assert_eq!(nobody.post(&format!("{V3}/register"), &register(&token)).await.status, 401, "who is away is left out");
}

#[tokio::test]
async fn newcomers_who_name_no_name_are_registered_while_the_directory_is_away() {
    let cells = [("eu1", "eu"), ("ru1", "ru")];
    let open = |_: &str, settings: Settings| Settings {
        registration: RegistrationSettings { mode: RegistrationMode::Open, ..RegistrationSettings::default() },
        ..settings
    };
    let mut cluster = Cluster::with_own(&cells, "encrypted_only", str::to_owned, open).await;
    let names = |cluster: &Cluster, cell: &str| {
        std::sync::Arc::clone(&cluster.cell(cell).services.users.localities().cells().unwrap().names)
    };
    let block = usize::try_from(BLOCK).unwrap();
    assert_eq!(names(&cluster, "ru1").reserve().await.unwrap(), block);
    assert_eq!(names(&cluster, "ru1").reserve().await.unwrap(), 0);
    // What is reserved is on disk, and the directory is not asked again.
    cluster.restart("ru1").await;
    cluster.cut();
    let nobody = cluster.cell("ru1").anonymous();
    let register = async |name: Option<&str>| {
        let mut wish = json!({ "password": "correct horse battery staple" });
        if let Some(name) = name {
            wish["username"] = name.into();
        }
        let begun = nobody.post(&format!("{V3}/register"), &wish).await;
        wish["auth"] = json!({ "type": "m.login.dummy", "session": begun.json()["session"] });
        nobody.post(&format!("{V3}/register"), &wish).await
    };
    let mut given = Vec::new();
    for _ in 0..3 {
        let made = register(None).await.ok();
        given.push(made["user_id"].as_str().unwrap().to_owned());
    }
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 3, "each has a name of their own: {given:?}");
    let wished = register(Some("dora")).await;
    assert_eq!(wished.status, 503, "whether it is free is not known here: {}", wished.json());

    cluster.heal();
    assert_eq!(names(&cluster, "ru1").reserve().await.unwrap(), 3, "the block is filled again");
    for user_id in given {
        let tickets = names(&cluster, "eu1").look_up(user_id.as_str().try_into().unwrap()).await.unwrap();
        assert_eq!(tickets.last().unwrap().home, "ru1");
    }
    assert_eq!(names(&cluster, "eu1").check_log().await.unwrap(), block as u64 + 3);
    // Without a block, a name waits for the directory like any other.
    while names(&cluster, "ru1").reserved().await.unwrap().is_some() {}
    cluster.cut();
    assert_eq!(register(None).await.status, 503);
}
