//! What people read in their language has the punctuation of that language: the words in the sources, and pages as they come out.

#![expect(clippy::expect_used, reason = "a test whose helper fails has failed")]

use std::{fs, path::Path};

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use domicile_testkit::{
    punctuation::{wrong, wrong_in_page},
    server::{PASSWORD, TestServer},
    showcase::{self, showcase},
};

const LANGUAGES: [&str; 4] = ["en", "de", "ru", "zh"];
/// What the operator of the showcase is called; its name ends as it ends.
const GIVEN: [&str; 1] = ["Verein Beispiel e. V."];

/// The texts in quotation marks of a source, but those of its tests.
fn literals(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n").replace("\\\\", "/").replace("'\"'", "''").replace("\\\"", "'");
    code.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && name != "tests.rs" {
            found.push((name, fs::read_to_string(&path).expect("a source")));
        }
    }
}

#[test]
fn words_in_the_sources_are_punctuated_as_their_language_is() {
    let mut found = Vec::new();
    for name in ["app", "http", "server"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src"), &mut found);
    }
    let is_chinese = |letter: char| matches!(letter, '\u{3400}'..='\u{9fff}');
    let is_russian = |letter: char| matches!(letter, 'а'..='я' | 'А'..='Я');
    let (mut looked_at, mut complaints) = ([0; 3], Vec::new());
    for (name, source) in &found {
        for text in literals(source) {
            let (index, language) = match text {
                _ if text.chars().any(is_chinese) => (0, "zh"),
                _ if text.chars().any(is_russian) => (1, "ru"),
                _ if name == "words_de.rs" => (2, "de"),
                _ => continue,
            };
            looked_at[index] += 1;
            complaints.extend(wrong(language, &text).into_iter().map(|what| format!("{name}: {what}")));
        }
    }
    assert!(looked_at.iter().all(|count| *count > 100), "too few words are found: {looked_at:?}");
    assert_eq!(complaints, Vec::<String>::new());
}

/// A page, with what a browser holds.
async fn page(server: &TestServer, path: &str, cookie: &str) -> String {
    let request = Request::builder().uri(path).header(header::COOKIE, cookie).body(Body::empty()).expect("a request");
    let answer = server.anonymous().request(request).await;
    assert!(answer.status.is_success(), "{path}: {answer:?}");
    String::from_utf8(answer.bytes.to_vec()).expect("text")
}

/// Signs somebody in to their own page, and gives what their browser holds then.
async fn signed_in(server: &TestServer, name: &str) -> String {
    let shown = server.anonymous().request(Request::get("/account/en").body(Body::empty()).expect("a request")).await;
    let held = shown.headers[header::SET_COOKIE].to_str().expect("a cookie").split(';').next().unwrap_or_default();
    let token = held.split_once('=').expect("a cookie").1;
    let form = [("form_token", token), ("name", name), ("password", PASSWORD)];
    let request = Request::builder()
        .method(Method::POST)
        .uri("/account/en/login")
        .header(header::COOKIE, held)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let body = Body::from(serde_html_form::to_string(form).expect("a form"));
    let answer = server.anonymous().request(request.body(body).expect("a request")).await;
    let cookies = answer.headers.get_all(header::SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let session =
        cookies.filter(|cookie| cookie.starts_with("domicile_account=")).find_map(|cookie| cookie.split(';').next());
    session.expect("a session").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_punctuated_as_their_language_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = showcase(folder.path()).await;
    let server = cluster.cell(showcase::CELL);
    let user_id = server.user(showcase::USER).user_id.expect("an id");
    server.services.jurisdictions.avoid(&user_id, &["RU".to_owned(), "DE".to_owned()]).await.expect("two countries");
    let mut complaints = Vec::new();
    for (name, paths) in [
        (
            None,
            ["/account/{}", "/status/{}", "/status/{}/feed.atom", "/sign-in/{}?name=alice", "/sign-in/{}?token=a.b"]
                .as_slice(),
        ),
        // One who has objected, one who is to move, one who has said nothing.
        (Some("bob"), &["/account/{}"]),
        (Some(showcase::USER), &["/account/{}"]),
        (Some("farid"), &["/account/{}"]),
    ] {
        let cookie = match name {
            Some(name) => signed_in(server, name).await,
            None => String::new(),
        };
        for path in paths {
            for language in LANGUAGES {
                let path = path.replace("{}", language);
                let shown = page(server, &path, &cookie).await;
                let found = wrong_in_page(language, &shown, &GIVEN);
                complaints.extend(found.into_iter().map(|what| format!("{path}: {what}")));
            }
        }
    }
    assert_eq!(complaints, Vec::<String>::new());
}
