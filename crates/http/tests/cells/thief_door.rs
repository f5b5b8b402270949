//! What somebody who has stolen a cell gets of those who come to the doors of others: nothing, as long as they do not know what they say is theirs.
//! And what becomes, when it is revoked, of the tokens that it may know.

use axum::http::Method;
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use domicile_app::{
    accounts::sessions::token_hash,
    residency::{Proofs, SecretOf, WhoseQuestion},
};
use domicile_core::{locality::CellName, rng::OsRng};
use domicile_testkit::cluster::{Cluster, Request};
use serde_json::{Value, json};

use crate::{
    V3,
    media::{SECRET, upload},
    moves::{at, into},
    until,
};

/// A cell that claims whatever it is asked for.
fn claims(path: &str) -> Value {
    match path {
        "/_domicile/inner/v1/door/whose" | "/_domicile/inner/v1/media/whose" => {
            json!({ "ours": true, "proofs": [BASE64_STANDARD_NO_PAD.encode([7_u8; 32]), ""] })
        }
        _ => json!({ "user_id": "@thief:example.org", "access_token": "stolen" }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_claims_everything_gets_neither_tokens_nor_files() {
    let mut cluster = Cluster::of_cells(&[("eu1", "eu"), ("eu2", "eu"), ("ru1", "ru")], "encrypted_only").await;
    // So that the door of eu1 leads to the stolen cell, too.
    Box::pin(cluster.rewrite("code = \"ru\"\n", "code = \"ru\"\nfront_door = \"any\"\n")).await;
    let cluster = cluster.with_user("eu2", "carol").await.with_user("eu1", "erin").await;
    let (carol, erin) = (cluster.user("eu2", "carol"), cluster.user("eu1", "erin"));
    let place = upload(&carol, SECRET, b"what carol has".to_vec()).await;
    let media_id = place.rsplit('/').next().unwrap().to_owned();
    let login = json!({ "type": "m.login.password", "identifier": { "type": "m.id.user", "user": "carol" },
        "password": domicile_testkit::server::PASSWORD, "refresh_token": true });
    let renewed = cluster.cell("eu2").anonymous().post(&format!("{V3}/login"), &login).await.ok();
    let refresh_token = renewed["refresh_token"].as_str().unwrap().to_owned();

    let liar = cluster.liar("ru1", claims).await;
    // While her home is away, only the thief answers.
    cluster.cut_off("eu2");
    let here = cluster.cell("eu1").with_token(
        &json!({ "user_id": carol.id(), "device_id": carol.device_id, "access_token": carol.token.clone().unwrap() }),
    );
    let whoami = format!("{V3}/account/whoami");
    let asked = |what: &'static str| {
        let liar = &liar;
        async move { liar.heard().iter().any(|heard| heard.contains(what)) }
    };
    until("the thief was asked whose it is", || async {
        here.get(&whoami).await.fails(503, "M_UNKNOWN");
        asked("door/whose").await
    })
    .await;
    let refresh = json!({ "refresh_token": refresh_token });
    cluster.cell("eu1").anonymous().post(&format!("{V3}/refresh"), &refresh).await.fails(503, "M_UNKNOWN");
    let by_token = json!({ "type": "m.login.token", "token": "a-token-that-opens-a-session" });
    let answer = cluster.cell("eu1").anonymous().post(&format!("{V3}/login"), &by_token).await;
    assert_eq!(answer.status, 503);
    let path = format!("/_matrix/client/v1/media/download/{place}");
    until("the thief was asked for the file", || async {
        assert_ne!(erin.get(&path).await.status, 200, "nobody has it who answers");
        asked("media/whose").await
    })
    .await;
    // Her home is back, and she is passed there; whichever answers first.
    cluster.heal();
    until("she is at home again", || async { here.get(&whoami).await.status == 200 }).await;
    assert_eq!(here.get(&whoami).await.ok()["user_id"], carol.id());
    until("her file is seen again", || async { erin.get(&path).await.bytes == "what carol has" }).await;

    let token = carol.token.as_ref().unwrap();
    let hash = BASE64_STANDARD_NO_PAD.encode(token_hash(token));
    let heard = liar.heard();
    for secret in [token, &hash, &refresh_token, "a-token-that-opens-a-session", &media_id] {
        assert!(heard.iter().all(|heard| !heard.contains(secret)), "the thief was told {secret}: {heard:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_asks_learns_nothing_that_it_did_not_know() {
    let mut cluster = Cluster::of(&["eu", "ru"]).await.with_user("eu1", "alice").await;
    Box::pin(cluster.rewrite("code = \"eu\"\n", "code = \"eu\"\nfront_door = \"any\"\n")).await;
    let (forger, alice) = (cluster.forger(Some("ru1"), "eu1"), cluster.user("eu1", "alice"));
    let hash = token_hash(alice.token.as_ref().unwrap());
    let ask = async |question: &WhoseQuestion| {
        let body = serde_json::to_value(question).unwrap();
        let path = "/_domicile/inner/v1/door/whose";
        let asked = Request { origin: "ru1", serial: 3, number: None, method: Method::POST, path, body: Some(&body) };
        forger.ask(asked).await.unwrap()
    };
    let question = WhoseQuestion::new(BASE64_STANDARD_NO_PAD.encode(&hash[..8]), &OsRng);
    let (status, told) = ask(&question).await;
    assert_eq!(status, 200, "{told}");
    let told: Proofs = serde_json::from_value(told).unwrap();
    let [eu1, ru1] = ["eu1", "ru1"].map(|name| CellName::parse(name).unwrap());
    assert!(question.is_proven(SecretOf::Token, &eu1, &hash, &told));
    assert!(!question.is_proven(SecretOf::Token, &ru1, &hash, &told), "it is of no use to whoever passes it on");
    // Of what nobody has, nothing is said; a shorter beginning would be a way to find some.
    let other = WhoseQuestion::new(BASE64_STANDARD_NO_PAD.encode([7_u8; 8]), &OsRng);
    let (status, told) = ask(&other).await;
    assert_eq!((status, &told["proofs"]), (200, &json!([])));
    for beginning in ["", "AA", "no Base64"] {
        let (status, told) = ask(&WhoseQuestion::new(beginning.to_owned(), &OsRng)).await;
        assert_eq!(status, 400, "{beginning}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_a_revoked_cell_may_know_end_and_their_devices_stay() {
    let mut cluster = Cluster::of(&["eu", "ru"]).await.with_user("ru1", "mia").await.with_user("eu1", "alice").await;
    Box::pin(cluster.rewrite("code = \"eu\"\n", "code = \"eu\"\nfront_door = \"any\"\n")).await;
    let (mia, alice, whoami) =
        (cluster.user("ru1", "mia"), cluster.user("eu1", "alice"), format!("{V3}/account/whoami"));
    // Mia moves away from there with her session, and opens another one at her new home.
    into(&cluster, "ru1", &mia, "eu").await;
    at(&cluster, "eu1", &mia).get(&whoami).await.ok();
    let begun_here = cluster.cell("eu1").login("mia").await;
    // Alice signs in through its door twice, and goes on by it with one of these sessions.
    let used = cluster.cell("ru1").login("alice").await;
    assert_eq!(used.get(&whoami).await.ok()["user_id"], alice.id());
    let given = cluster.cell("ru1").login("alice").await;
    let end = async |cluster: &Cluster| cluster.cell("eu1").services.front_door.seen().unwrap().end_revoked().await;
    assert_eq!(end(&cluster).await.unwrap(), 0, "as long as it is at work");

    Box::pin(cluster.revoke("ru1")).await;
    assert_eq!(end(&cluster).await.unwrap(), 3);
    assert_eq!(end(&cluster).await.unwrap(), 0, "it is done once");
    Box::pin(cluster.restart("eu1")).await;
    assert_eq!(end(&cluster).await.unwrap(), 0, "and for good");
    for ended in [&mia, &used, &given] {
        let told = at(&cluster, "eu1", ended).get(&whoami).await.fails(401, "M_UNKNOWN_TOKEN");
        assert_eq!(told["soft_logout"], true, "{told}");
        let why = told["error"].as_str().unwrap();
        assert!(why.contains("in other hands") && why.contains("eu1.example.org"), "{why}");
    }
    // What it has never seen goes on.
    at(&cluster, "eu1", &alice).get(&whoami).await.ok();
    let begun_here = at(&cluster, "eu1", &begun_here);
    let devices = begun_here.get(&format!("{V3}/devices")).await.ok();
    assert_eq!(devices["devices"].as_array().unwrap().len(), 2, "{devices}");
    // She signs in again with the same device, and keeps it.
    let login = json!({ "type": "m.login.password", "identifier": { "type": "m.id.user", "user": "mia" },
        "password": domicile_testkit::server::PASSWORD, "device_id": mia.device_id });
    let answer = cluster.cell("eu1").anonymous().post(&format!("{V3}/login"), &login).await.ok();
    let again = cluster.cell("eu1").with_token(&answer);
    assert_eq!(end(&cluster).await.unwrap(), 0);
    assert_eq!(again.get(&whoami).await.ok()["device_id"], mia.device_id);
    let devices = begun_here.get(&format!("{V3}/devices")).await.ok();
    assert_eq!(devices["devices"].as_array().unwrap().len(), 2, "{devices}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cell_may_know_goes_along_with_the_next_move() {
    let mut cluster = Cluster::of(&["eu", "ru", "ch"]).await.with_user("ru1", "mia").await;
    let (mia, whoami) = (cluster.user("ru1", "mia"), format!("{V3}/account/whoami"));
    into(&cluster, "ru1", &mia, "eu").await;
    into(&cluster, "eu1", &at(&cluster, "eu1", &mia), "ch").await;
    at(&cluster, "ch1", &mia).get(&whoami).await.ok();
    Box::pin(cluster.revoke("ru1")).await;
    let ended = cluster.cell("ch1").services.front_door.seen().unwrap().end_revoked().await.unwrap();
    assert_eq!(ended, 1);
    let told = at(&cluster, "ch1", &mia).get(&whoami).await.fails(401, "M_UNKNOWN_TOKEN");
    assert_eq!(told["soft_logout"], true, "{told}");
}
