//! The status page over HTTP: languages, caches, what a browser may do with it, and that it needs no database.

use std::time::Duration;

use axum::{body::Body, http::Request};
use domicile_testkit::server::{Answered, TestServer};
use tokio::time::Instant;

use super::club;

async fn get(server: &TestServer, path: &str, header: (&str, &str)) -> Answered {
    let request = Request::builder().uri(path).header(header.0, header.1).body(Body::empty()).unwrap();
    server.anonymous().request(request).await
}

fn text(answer: &Answered) -> String {
    assert_eq!(answer.status.as_u16(), 200);
    String::from_utf8(answer.bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn it_speaks_the_language_of_the_browser() {
    let server = club().await;
    for (wanted, expected) in [
        ("ru-RU,ru;q=0.9", "<html lang=\"ru\">"),
        ("de", "<html lang=\"de\">"),
        ("zh-CN", "<html lang=\"zh\">"),
        ("fr", "<html lang=\"en\">"),
    ] {
        let answer = get(&server, "/status", ("accept-language", wanted)).await;
        assert!(text(&answer).contains(expected), "{wanted}");
        assert_eq!(answer.headers["vary"], "accept-language");
    }
    assert!(text(&get(&server, "/status/ru", ("accept-language", "de")).await).contains("<html lang=\"ru\">"));
    get(&server, "/status/xx", ("accept-language", "de")).await.fails(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn it_can_be_kept_and_does_nothing_but_show() {
    let server = club().await;
    let answer = get(&server, "/status/en", ("accept", "*/*")).await;
    let (etag, policy) =
        (answer.headers["etag"].to_str().unwrap(), answer.headers["content-security-policy"].to_str().unwrap());
    assert!(answer.headers["cache-control"].to_str().unwrap().contains("max-age=60"));
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let page = text(&answer);
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("@import"), "{page}");
    let again = get(&server, "/status/en", ("if-none-match", etag)).await;
    assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0));
    let feed = get(&server, "/status/de/feed.atom", ("accept", "*/*")).await;
    assert!(text(&feed).starts_with("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed "));
    assert!(feed.headers["content-type"].to_str().unwrap().starts_with("application/atom+xml"));
}

#[tokio::test]
async fn it_is_there_while_the_database_is_not_and_costs_next_to_nothing() {
    let server = club().await;
    server.services.status.refresh().await.unwrap();
    let before = text(&get(&server, "/status/en", ("accept", "*/*")).await);
    server.store.close().await;
    assert!(server.services.status.refresh().await.is_err());
    let mut took = Vec::new();
    for _ in 0..100 {
        let begun = Instant::now();
        assert_eq!(text(&get(&server, "/status/en", ("accept", "*/*")).await), before);
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    assert!(took[50] < Duration::from_millis(5), "{took:?}");
}
