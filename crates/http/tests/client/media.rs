//! Media over HTTP: up, down, small, awaited, and what a browser is told.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails ends the test")]

use std::io::Cursor;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use domicile_testkit::server::{Answered, PASSWORD, TestServer, TestUser};
use image::{ImageFormat, RgbImage};

async fn upload(by: &TestUser, method: Method, path: &str, content_type: &str, bytes: Vec<u8>) -> Answered {
    let token = by.token.clone().unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CONTENT_LENGTH, bytes.len());
    by.request(request.body(Body::from(bytes)).unwrap()).await
}

fn media(uri: &serde_json::Value) -> String {
    uri["content_uri"].as_str().unwrap().replacen("mxc://", "", 1)
}

fn picture() -> Vec<u8> {
    let picture = RgbImage::from_fn(1_200, 900, |x, y| image::Rgb([(x % 251) as u8, (y % 241) as u8, 7]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[tokio::test]
async fn what_goes_up_comes_down_and_cannot_run() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let html = b"<script>alert(1)</script>".to_vec();
    let path = "/_matrix/media/v3/upload?filename=page.html";
    let uri = media(&upload(&alice, Method::POST, path, "text/html", html.clone()).await.ok());
    let down = bob.get(&format!("/_matrix/client/v1/media/download/{uri}")).await;
    assert_eq!(down.bytes, html);
    let header = |name: &str| down.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!(header("content-disposition"), "attachment; filename=page.html");
    assert!(header("content-security-policy").starts_with("sandbox"));
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cross-origin-resource-policy"), "cross-origin");
    let named = bob.get(&format!("/_matrix/client/v1/media/download/{uri}/other.txt")).await;
    assert!(named.headers["content-disposition"].to_str().unwrap().contains("other.txt"));
    server.anonymous().get(&format!("/_matrix/client/v1/media/download/{uri}")).await.fails(401, "M_MISSING_TOKEN");
    bob.get("/_matrix/client/v1/media/download/localhost/nothing").await.fails(404, "M_NOT_FOUND");
    bob.get("/_matrix/client/v1/media/download/elsewhere.example/x").await.fails(502, "M_UNKNOWN");
    let config = bob.get("/_matrix/client/v1/media/config").await.ok();
    assert_eq!(config["m.upload.size"], 50 << 20);
}

#[tokio::test]
async fn thumbnails_are_small_pictures() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let uri = media(&upload(&alice, Method::POST, "/_matrix/media/v3/upload", "image/png", picture()).await.ok());
    for (method, width, height) in [("scale", 320, 240), ("crop", 96, 96)] {
        let path = format!("/_matrix/client/v1/media/thumbnail/{uri}?width={width}&height={height}&method={method}");
        for _made_and_then_kept in 0..2 {
            let answer = alice.get(&path).await;
            assert!(answer.status.is_success(), "{}", String::from_utf8_lossy(&answer.bytes));
            let small = image::load_from_memory(&answer.bytes).unwrap();
            assert_eq!((small.width(), small.height()), (width, height), "{method}");
        }
    }
    let text = media(&upload(&alice, Method::POST, "/_matrix/media/v3/upload", "image/png", b"no".to_vec()).await.ok());
    let path = format!("/_matrix/client/v1/media/thumbnail/{text}?width=32&height=32");
    assert_eq!(alice.get(&path).await.status, 400);
}

#[tokio::test]
async fn an_awaited_upload_is_waited_for() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let uri = media(&alice.post("/_matrix/media/v1/create", &serde_json::json!({})).await.ok());
    let down = format!("/_matrix/client/v1/media/download/{uri}");
    bob.get(&format!("{down}?timeout_ms=50")).await.fails(504, "M_NOT_YET_UPLOADED");
    let waiting = tokio::spawn({
        let (bob, down) = (bob.clone(), down.clone());
        async move { bob.get(&format!("{down}?timeout_ms=20000")).await }
    });
    let up = format!("/_matrix/media/v3/upload/{uri}");
    upload(&bob, Method::PUT, &up, "text/plain", b"not mine".to_vec()).await.fails(403, "M_FORBIDDEN");
    upload(&alice, Method::PUT, &up, "text/plain", b"late".to_vec()).await.ok();
    assert_eq!(waiting.await.unwrap().bytes, "late");
    upload(&alice, Method::PUT, &up, "text/plain", b"again".to_vec()).await.fails(409, "M_CANNOT_OVERWRITE_MEDIA");
}

/// Files in a folder and below it.
fn files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

#[tokio::test]
async fn the_files_of_somebody_who_wants_to_be_erased_go_with_their_account() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let up = "/_matrix/media/v3/upload";
    let hers = media(&upload(&alice, Method::POST, up, "image/png", picture()).await.ok());
    let his = media(&upload(&bob, Method::POST, up, "text/plain", b"his".to_vec()).await.ok());
    let small = format!("/_matrix/client/v1/media/thumbnail/{hers}?width=32&height=32&method=crop");
    assert!(bob.get(&small).await.status.is_success());
    let before = files(&server.media_folder());
    let confirmed = serde_json::json!({ "auth": {
        "type": "m.login.password", "identifier": { "type": "m.id.user", "user": "alice" }, "password": PASSWORD,
    }, "erase": true });
    alice.post("/_matrix/client/v3/account/deactivate", &confirmed).await.ok();
    // At once nobody can read them any more, and soon there is nothing left.
    for path in [format!("/_matrix/client/v1/media/download/{hers}"), small] {
        bob.get(&path).await.fails(404, "M_NOT_FOUND");
    }
    while server.jobs.run_due().await.unwrap() > 0 {}
    let left = files(&server.media_folder());
    assert!(
        before >= 3 && left == before - 2,
        "{before} files before, {left} after: the picture and its thumbnail are gone"
    );
    let contents = format!("{:?}", server.contents().await);
    let id = hers.split('/').nth(1).unwrap();
    assert!(!contents.contains(id), "{contents}");
    bob.get(&format!("/_matrix/client/v1/media/download/{hers}")).await.fails(404, "M_NOT_FOUND");
    assert_eq!(&bob.get(&format!("/_matrix/client/v1/media/download/{his}")).await.bytes[..], b"his");
}
