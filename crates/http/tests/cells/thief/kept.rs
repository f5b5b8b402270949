//! Vaults that a cell keeps of people who have left it, for the case that their new home is restored; and somebody who has that home's key.

use axum::http::Method;
use domicile_testkit::{
    cluster::{Cluster, Forger, Request},
    server::TestUser,
};
use serde_json::{Value, json};

use super::{Came, INNER, Row};
use crate::{moves::into, relay::serial};

/// Somebody who has left `eu1`.
struct Left {
    user: TestUser,
    move_id: String,
    /// Under which name a file of theirs is kept.
    file: String,
}

/// Whoever has the key of `ru1` asks `eu1` for the vaults of somebody who was at home there and has come back, of somebody who was and has moved
/// on, and of somebody who went elsewhere at once.
pub(super) async fn attempt() -> Row {
    let cluster = Cluster::of(&["eu", "ru", "ch"]).await.with_user("eu1", "nina").await;
    let mut cluster = cluster.with_user("eu1", "pia").await.with_user("eu1", "otto").await;
    let nina = leave(&cluster, "nina", "ru").await;
    let pia = leave(&cluster, "pia", "ru").await;
    let otto = leave(&cluster, "otto", "ch").await;
    let thief = cluster.forger(Some("ru1"), "eu1");
    for left in [&nina, &pia] {
        assert_eq!(given(&cluster, &thief, left).await, Ok([true; 2]), "what is asked for is there while they are");
    }
    assert_eq!(given(&cluster, &thief, &otto).await, Ok([false; 2]), "it was never their home");
    into(&cluster, "ru1", &nina.user, "eu").await;
    into(&cluster, "ru1", &pia.user, "ch").await;
    assert_eq!(cluster.cell("eu1").kept().await, (3, 3), "all of it is kept still");
    let left = [nina, pia, otto];
    let before = asked(&cluster, &thief, &left).await;
    Box::pin(cluster.revoke("ru1")).await;
    let thief = cluster.forger(Some("ru1"), "eu1");
    let after = asked(&cluster, &thief, &left).await;
    (
        "have a cell give out what it keeps for the case that others are restored, of people who are not there",
        before,
        after,
    )
}

/// Somebody with a file leaves `eu1` for a region.
async fn leave(cluster: &Cluster, name: &str, region: &str) -> Left {
    let user = cluster.user("eu1", name);
    user.send(Method::POST, "/_matrix/media/v3/upload", name.as_bytes().repeat(100)).await.ok();
    into(cluster, "eu1", &user, region).await;
    let server = cluster.cell("eu1");
    let move_id = server.moves.of_user(user.user_id.as_ref().unwrap()).await.unwrap().unwrap().move_id;
    let read = server.store.read(|snapshot| async move {
        let rows = snapshot.query("SELECT move_id, content_hash FROM kept_files", &[]).await?;
        let files = rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.blob(1)?)));
        files.collect::<Result<Vec<_>, domicile_app::Error>>()
    });
    let files = read.await.unwrap();
    let (_, name) = files.iter().find(|(of, _)| *of == move_id).unwrap();
    let file = name.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    Left { user, move_id, file }
}

async fn ask(cluster: &Cluster, thief: &Forger, path: &str, question: Value) -> Result<Value, String> {
    let path = format!("{INNER}/restore/{path}");
    let (serial, body) = (serial(cluster), Some(&question));
    let request = Request { origin: "ru1", serial, number: None, method: Method::POST, path: &path, body };
    let (status, told) = thief.ask(request).await?;
    assert_eq!(status, 200, "{path}: {told}");
    Ok(told)
}

/// Whether somebody's vault and their file are given out.
async fn given(cluster: &Cluster, thief: &Forger, left: &Left) -> Result<[bool; 2], String> {
    let vault = ask(cluster, thief, "vault", json!({ "move_id": left.move_id })).await?;
    let file = ask(cluster, thief, "file", json!({ "move_id": left.move_id, "file": left.file })).await?;
    Ok([vault, file].map(|told| told["sealed"].is_string()))
}

/// What comes of asking whose vaults are kept, and for each of them.
async fn asked(cluster: &Cluster, thief: &Forger, all: &[Left; 3]) -> Came {
    let Ok(listed) = ask(cluster, thief, "vaults", json!({ "after": "" })).await else { return Came::NoConnection };
    let listed = listed["all"].as_array().unwrap();
    // That these two were there is known to who was their home.
    assert_eq!(listed.len(), 2, "{listed:?}");
    let theirs = listed.iter().filter(|kept| kept["is_theirs"] != false).count();
    let mut given_out = Vec::new();
    for left in all {
        if given(cluster, thief, left).await.unwrap() != [false; 2] {
            given_out.push(left.user.id());
        }
    }
    assert!(theirs == 0 && given_out.is_empty(), "the thief is given what {given_out:?} left: {listed:?}");
    Came::Nothing
}
