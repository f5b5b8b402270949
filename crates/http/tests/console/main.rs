//! The operator's console over HTTP: who gets in, what they may, and that nothing that somebody wrote is markup.

#![expect(clippy::unwrap_used, reason = "a test whose helper fails has failed")]

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use domicile_app::admin::operators::{Regions, Role};
use domicile_http::extract::Client;
use domicile_testkit::server::{Answered, Settings, TestServer};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

mod acts;
mod arrivals;
mod hostile;
mod login;
mod moves;
mod pages;

const PASSWORD: &str = "a long enough password";

/// A server with an operator of each kind.
async fn server() -> TestServer {
    server_with(Settings::default()).await
}

async fn server_with(settings: Settings) -> TestServer {
    let server = TestServer::with_settings(settings).await.with_user("alice").await;
    with_operators(&server, "main").await;
    server
}

/// An operator of each kind at a server of a region.
async fn with_operators(server: &TestServer, region: &str) {
    let operators = &server.admin.operators;
    let regions = |text: &str| Regions::read(text).unwrap();
    operators.add("ada", PASSWORD.to_owned(), Role::Editor, regions("*")).await.unwrap();
    operators.add("ben", PASSWORD.to_owned(), Role::Reader, regions(region)).await.unwrap();
    operators.add("kim", PASSWORD.to_owned(), Role::Editor, regions("elsewhere")).await.unwrap();
}

/// What a browser holds and sends.
#[derive(Clone, Default)]
struct Browser {
    cookies: Vec<(String, String)>,
}

impl Browser {
    /// Somebody's browser after they signed in.
    async fn of(server: &TestServer, name: &str) -> Self {
        let mut browser = Self::default();
        let answer = browser.sign_in(server, name, PASSWORD).await;
        assert_eq!(answer.status.as_u16(), 303, "{}", text(&answer));
        assert_eq!(answer.headers["location"], "/console");
        browser
    }

    async fn sign_in(&mut self, server: &TestServer, name: &str, password: &str) -> Answered {
        let page = self.get(server, "/console/login").await;
        let form = [("form_token", token(&page)), ("name", name.to_owned()), ("password", password.to_owned())];
        self.post(server, "/console/login", &form).await
    }

    async fn get(&mut self, server: &TestServer, path: &str) -> Answered {
        let request = Request::builder().uri(path).header(header::ACCEPT, "text/html");
        self.send(server, request, Body::empty()).await
    }

    async fn post(&mut self, server: &TestServer, path: &str, fields: &[(&str, String)]) -> Answered {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        self.send(server, request, Body::from(encoded(fields))).await
    }

    /// The same, with what stands in the form of the page at `path`.
    async fn act(&mut self, server: &TestServer, path: &str, fields: &[(&str, &str)]) -> Answered {
        let page = self.get(server, path).await;
        let mut all = vec![("form_token", token(&page))];
        all.extend(fields.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.post(server, path, &all).await
    }

    async fn send(&mut self, server: &TestServer, request: axum::http::request::Builder, body: Body) -> Answered {
        let held: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = if held.is_empty() { request } else { request.header(header::COOKIE, held.join("; ")) };
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(Client { address: Some([192, 0, 2, 1].into()) });
        let router = domicile_http::console::routes(server.admin.clone());
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(held, _)| held != name);
            if !cookie.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        Answered { status: parts.status, headers: parts.headers, bytes }
    }
}

fn encoded(fields: &[(&str, String)]) -> String {
    serde_html_form::to_string(fields).unwrap()
}

fn text(answer: &Answered) -> String {
    String::from_utf8(answer.bytes.to_vec()).unwrap()
}

/// What stands in the first form of a page; empty if there is none.
fn token(page: &Answered) -> String {
    let text = text(page);
    let (_, rest) = text.split_once("name=\"form_token\" value=\"").unwrap_or_default();
    rest.split('"').next().unwrap_or_default().to_owned()
}
