//! Files across cells: fetched from the home when somebody looks at them, by the rules, and kept nowhere else.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use domicile_app::evidence::access_log::Operator;
use domicile_core::{
    config::ByteSize,
    rng::{Rng as _, SeededRng},
};
use domicile_testkit::{
    cluster::{Cluster, Request as Asked},
    server::{Answered, Settings, TestUser},
};
use serde_json::json;

use crate::{
    V3,
    moves::{at, into},
    until,
};

pub(crate) const SECRET: &str = "application/octet-stream";

pub(crate) fn ciphertext(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SeededRng::new(length as u64).fill(&mut bytes);
    bytes
}

/// A picture, 400 pixels each way.
fn picture() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(400, 400).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn width(picture: &Answered) -> u32 {
    assert_eq!(picture.status, 200, "{}", String::from_utf8_lossy(&picture.bytes));
    image::load_from_memory(&picture.bytes).unwrap().width()
}

/// Uploads something. Gives what stands behind `mxc://`.
pub(crate) async fn upload(by: &TestUser, content_type: &str, content: Vec<u8>) -> String {
    let request = Request::post("/_matrix/media/v3/upload?filename=secret-name.bin")
        .header(header::AUTHORIZATION, format!("Bearer {}", by.token.as_ref().unwrap()))
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CONTENT_LENGTH, content.len())
        .body(Body::from(content))
        .unwrap();
    let uri = by.request(request).await.ok()["content_uri"].as_str().unwrap().to_owned();
    uri.strip_prefix("mxc://").unwrap().to_owned()
}

pub(crate) async fn download(by: &TestUser, place: &str) -> Answered {
    by.get(&format!("/_matrix/client/v1/media/download/{place}")).await
}

async fn thumbnail(by: &TestUser, place: &str) -> Answered {
    by.get(&format!("/_matrix/client/v1/media/thumbnail/{place}?width=96&height=96&method=crop")).await
}

async fn world(rule: &str) -> Cluster {
    Cluster::with_flow(&["eu", "ru"], rule).await.with_user("eu1", "alice").await.with_user("ru1", "bob").await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_along_whole_however_large_they_are() {
    let small = |cell: &str, mut settings: Settings| {
        if cell == "ru1" {
            settings.config.media.max_upload = ByteSize(1 << 20);
        }
        settings
    };
    let cells = [("eu1", "eu"), ("ru1", "ru")];
    let cluster = Cluster::with_own(&cells, "allow", str::to_owned, small).await.with_user("eu1", "alice").await;
    let alice = cluster.user("eu1", "alice");
    let mut files = Vec::new();
    // Less than a piece, exactly one, and more than the new home takes of anybody.
    for length in [0, 20, 8 << 20, 20 << 20] {
        let content = ciphertext(length);
        files.push((upload(&alice, SECRET, content.clone()).await, content));
    }
    into(&cluster, "eu1", &alice, "ru").await;
    cluster.cut();
    let alice = at(&cluster, "ru1", &alice);
    for (place, content) in files {
        let got = download(&alice, &place).await;
        assert_eq!((got.status.as_u16(), got.bytes == content), (200, true), "{}", content.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_file_is_fetched_from_its_home_and_kept_nowhere_else() {
    let cluster = world("encrypted_only").await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    for length in [0, 20, 5_000, 3 << 20] {
        let content = ciphertext(length);
        let place = upload(&alice, SECRET, content.clone()).await;
        assert!(place.starts_with("example.org/"), "{place}");
        for _ in 0..2 {
            let got = download(&bob, &place).await;
            assert_eq!((got.status.as_u16(), got.bytes == content), (200, true), "{length}");
            assert_eq!(got.headers[header::CONTENT_TYPE], SECRET);
            assert!(got.headers[header::CONTENT_DISPOSITION].to_str().unwrap().contains("secret-name.bin"));
        }
        let media_id = place.split_once('/').unwrap().1;
        let kept = format!("{:?}", cluster.cell("ru1").contents().await);
        assert!(!kept.contains(media_id) && !kept.contains("secret-name"), "something of it is kept");
    }
    // Nobody who is not logged in, and nothing that is nowhere.
    let place = upload(&alice, SECRET, ciphertext(64)).await;
    download(&cluster.cell("ru1").anonymous(), &place).await.fails(401, "M_MISSING_TOKEN");
    for nowhere in ["example.org/abcdefghijklmnopqrstuvwxyz012345", "example.org/a", "example.org/..%2f..%2fx"] {
        assert!([400, 404].contains(&download(&bob, nowhere).await.status.as_u16()), "{nowhere}");
    }
    assert_eq!(download(&bob, "ru1.cell.invalid/abcdefghijklmnopqrstuvwxyz012345").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_encrypted_stays_but_for_faces() {
    let cluster = world("encrypted_only").await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let text = "something that anybody can read. ".repeat(100).into_bytes();
    for (kind, content) in [("text/plain", text.clone()), (SECRET, text), ("image/png", picture())] {
        let place = upload(&alice, kind, content).await;
        for got in [download(&bob, &place).await, thumbnail(&bob, &place).await] {
            let refused = got.fails(403, "M_FORBIDDEN");
            let sentence = refused["error"].as_str().unwrap();
            assert!(sentence.contains("not encrypted"), "{refused}");
            assert!(!sentence.contains("eu") && !sentence.contains("cell"), "where it is: {refused}");
        }
        assert_eq!(download(&alice, &place).await.status, 200);
    }
    // What she shows of herself is shown, for as long as she shows it.
    let place = upload(&alice, "image/png", picture()).await;
    let path = format!("{V3}/profile/{}/avatar_url", alice.id());
    thumbnail(&bob, &place).await.fails(403, "M_FORBIDDEN");
    alice.put(&path, &json!({ "avatar_url": format!("mxc://{place}") })).await.ok();
    assert_eq!(width(&thumbnail(&bob, &place).await), 96);
    alice.put(&path, &json!({ "avatar_url": "" })).await.ok();
    thumbnail(&bob, &place).await.fails(403, "M_FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rule_between_two_regions_decides() {
    let open = world("allow").await;
    let (alice, bob) = (open.user("eu1", "alice"), open.user("ru1", "bob"));
    let place = upload(&alice, "image/png", picture()).await;
    assert_eq!(download(&bob, &place).await.bytes, picture());
    assert_eq!(width(&thumbnail(&bob, &place).await), 96);
    let closed = world("forbid").await;
    let (alice, bob) = (closed.user("eu1", "alice"), closed.user("ru1", "bob"));
    let place = upload(&alice, SECRET, ciphertext(5_000)).await;
    download(&bob, &place).await.fails(404, "M_NOT_FOUND");
    // Nor does a cell get it that asks all the same, in whichever way.
    let forger = closed.forger(Some("ru1"), "eu1");
    let media_id = place.split_once('/').unwrap().1;
    let handle = json!({ "beginning": &media_id[..12], "nonce": "" });
    let file = format!("/_matrix/federation/v1/media/download/{media_id}");
    for (method, path, body) in
        [(Method::GET, file.as_str(), None), (Method::POST, "/_domicile/inner/v1/media/whose", Some(&handle))]
    {
        let asked = Asked { origin: "ru1", serial: 2, number: None, method, path, body };
        assert_eq!(forger.ask(asked).await.unwrap().0, 403, "{path}");
    }
    // Where it may ask, it does not find out ids from their first letters.
    let forger = open.forger(Some("ru1"), "eu1");
    for handle in ["", "a", "a%", "____________________________________", "é"] {
        let body = json!({ "beginning": handle, "nonce": "" });
        let path = "/_domicile/inner/v1/media/whose";
        let asked = Asked { origin: "ru1", serial: 2, number: None, method: Method::POST, path, body: Some(&body) };
        assert_eq!(forger.ask(asked).await.unwrap().0, 400, "{handle}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_is_away_is_said_to_be_away_and_what_is_erased_is_gone() {
    let cluster = world("encrypted_only").await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let (seen, other) =
        (upload(&alice, SECRET, ciphertext(5_000)).await, upload(&alice, SECRET, ciphertext(500)).await);
    assert_eq!(download(&bob, &seen).await.status, 200);
    cluster.cut();
    for place in [&seen, &other] {
        let away = download(&bob, place).await.fails(502, "M_UNKNOWN");
        assert!(away["error"].as_str().unwrap().contains("try again later"), "{away}");
    }
    cluster.heal();
    until("it is back", || async { download(&bob, &other).await.status == 200 }).await;
    // A place is known here already; what is erased at home is gone all the same.
    let home = &cluster.cell("eu1").services;
    let her = alice.user_id.as_ref().unwrap();
    home.erasures
        .erase(her, Operator { name: her.to_string(), uid: None }, "by their own wish".to_owned())
        .await
        .unwrap();
    download(&bob, &seen).await.fails(404, "M_NOT_FOUND");
}
