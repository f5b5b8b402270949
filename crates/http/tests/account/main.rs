//! The user's own page: signing in is a session like any other, nobody else's data is on it, and what is asked there happens.

#![expect(clippy::unwrap_used, reason = "a test whose helper fails has failed")]

mod moves;
mod sign_in;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use domicile_app::{
    evidence::access_log::{Look, Operator, What},
    moves::{Forbidden, Order, Target},
};
use domicile_core::clock::HOUR_MS;
use domicile_testkit::{
    cluster::Cluster,
    package::opened,
    server::{Answered, PASSWORD, Settings, TestServer, TestUser},
};
use serde_json::json;

/// A key of age's own documentation.
const KEY: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

/// What a browser holds.
#[derive(Clone)]
struct Browser {
    server: TestUser,
    cookies: Vec<(String, String)>,
}

impl Browser {
    fn new(server: &TestServer) -> Self {
        Self { server: server.anonymous(), cookies: Vec::new() }
    }

    async fn of(server: &TestServer, name: &str) -> Self {
        let mut browser = Self::new(server);
        let answer = browser.sign_in(name, PASSWORD).await;
        assert_eq!(answer.status.as_u16(), 303, "{}", text(&answer));
        browser
    }

    async fn sign_in(&mut self, name: &str, password: &str) -> Answered {
        self.act("/account/en", "/account/en/login", &[("name", name), ("password", password)]).await
    }

    async fn get(&mut self, path: &str) -> Answered {
        self.send(Request::builder().uri(path), Body::empty()).await
    }

    /// Sends a form with the token of the page at `page`.
    async fn act(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Answered {
        let shown = text(&self.get(page).await);
        let token = shown.split_once("name=\"form_token\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
        let mut all = vec![("form_token", token.as_str())];
        all.extend(fields);
        self.post(path, &all).await
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answered {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, Body::from(serde_html_form::to_string(fields).unwrap())).await
    }

    async fn send(&mut self, request: axum::http::request::Builder, body: Body) -> Answered {
        let held: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = if held.is_empty() { request } else { request.header(header::COOKIE, held.join("; ")) };
        let answer = self.server.request(request.body(body).unwrap()).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(held, _)| held != name);
            if !cookie.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }
}

fn text(answer: &Answered) -> String {
    String::from_utf8(answer.bytes.to_vec()).unwrap()
}

async fn server() -> TestServer {
    TestServer::start().await.with_user("alice").await.with_user("bob").await
}

/// A room that somebody makes.
async fn room(server: &TestServer, name: &str, called: &str) {
    server.user(name).post("/_matrix/client/v3/createRoom", &json!({ "name": called })).await.ok();
}

#[tokio::test]
async fn signing_in_is_a_session_like_any_other() {
    let server = server().await;
    let mut alice = Browser::of(&server, "alice").await;
    let devices = server.user("alice").get("/_matrix/client/v3/devices").await.ok();
    let ids: Vec<_> =
        devices["devices"].as_array().unwrap().iter().map(|device| device["device_id"].as_str()).collect();
    assert!(ids.contains(&Some("ACCOUNTPAGE")), "{devices}");
    assert!(text(&alice.get("/account/en").await).contains("@alice:localhost"));

    // Once more: one session, not two.
    let mut other = Browser::of(&server, "alice").await;
    assert!(text(&alice.get("/account/en").await).contains("/login"), "the first session is over");
    let out = other.act("/account/en", "/account/en/logout", &[]).await;
    assert_eq!(&out.headers["location"], "/account/en");
    let devices = server.user("alice").get("/_matrix/client/v3/devices").await.ok();
    assert!(!devices.to_string().contains("ACCOUNTPAGE"), "{devices}");

    let mut alice = Browser::of(&server, "alice").await;
    server.clock.advance(HOUR_MS + 1);
    assert!(text(&alice.get("/account/en").await).contains("/login"), "an hour is over");
}

#[tokio::test]
async fn only_the_right_password_opens_it_and_only_from_its_own_form() {
    let server = server().await;
    for (name, password) in [("alice", "wrong"), ("nobody", PASSWORD), ("@alice:elsewhere.example", PASSWORD)] {
        let answer = Browser::new(&server).sign_in(name, password).await;
        assert_eq!(answer.status.as_u16(), 403, "{name}");
        assert!(text(&answer).contains("role=\"alert\""));
    }
    let fields = [("form_token", "x"), ("name", "alice"), ("password", PASSWORD)];
    assert_eq!(Browser::new(&server).post("/account/en/login", &fields).await.status.as_u16(), 403);
    let mut alice = Browser::of(&server, "alice").await;
    for path in ["export", "erase", "jurisdiction", "logout", "key", "object", "never", "sign-out"] {
        let fields = [
            ("form_token", "x"),
            ("password", PASSWORD),
            ("sure", "on"),
            ("recipient", KEY),
            ("device", "A"),
            ("codes", "RU"),
        ];
        assert_eq!(alice.post(&format!("/account/en/{path}"), &fields).await.status.as_u16(), 403, "{path}");
        assert_eq!(
            Browser::new(&server).post(&format!("/account/en/{path}"), &fields).await.status.as_u16(),
            401,
            "{path}"
        );
    }
}

#[tokio::test]
async fn it_tells_her_what_is_hers_and_nothing_of_others() {
    let server = server().await;
    room(&server, "alice", "Choir <b>").await;
    room(&server, "bob", "Bob's own room").await;
    let user_num = server.services.accounts.local_num(server.user("alice").user_id.as_ref().unwrap()).await.unwrap();
    let look = |what, reason: &str| Look {
        by: Operator { name: "<script>ada".to_owned(), uid: None },
        what,
        reason: Some(reason.to_owned()),
    };
    server.services.access_log.note(user_num, look(What::Devices, "she <i>asked")).await.unwrap();
    let mut alice = Browser::of(&server, "alice").await;
    for (language, looked) in [
        ("en", "looked at your list of devices"),
        ("de", "hat die Liste Ihrer Geräte angesehen"),
        ("ru", "просмотр списка ваших устройств"),
        ("zh", "查看了您的设备列表"),
    ] {
        let answer = alice.get(&format!("/account/{language}")).await;
        let page = text(&answer);
        for said in ["Choir &lt;b&gt;", "&lt;script&gt;ada", "she &lt;i&gt;asked", looked, "alice's first device"] {
            assert!(page.contains(said) || page.contains(&said.replace('\'', "&#39;")), "{language}: {said}: {page}");
        }
        assert!(page.contains(&format!("<html lang=\"{language}\">")));
        for never in ["<script", "<b>Choir", "<i>asked", "Bob", " style="] {
            assert!(!page.contains(never), "{language}: {never}: {page}");
        }
        assert!(answer.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(answer.headers.get("access-control-allow-origin").is_none(), "pages are not for scripts of others");
    }
    alice.get("/account/xx").await.fails(404, "M_NOT_FOUND");
    let anyone = server.anonymous();
    let request = Request::builder().uri("/account").header("accept-language", "ru").body(Body::empty()).unwrap();
    let best = anyone.request(request).await;
    assert_eq!(&best.headers["location"], "/account/ru");
}

#[tokio::test]
async fn her_own_word_on_where_she_lives_counts() {
    let server = server().await;
    let alice_id = server.user("alice").user_id.unwrap();
    server.services.jurisdictions.state(&alice_id, Some("FR"), "contract").await.unwrap();
    let mut alice = Browser::of(&server, "alice").await;
    assert!(text(&alice.get("/account/en").await).contains("as was told by: contract"));
    let wrong = alice.act("/account/en", "/account/en/jurisdiction", &[("code", "Germany")]).await;
    assert_eq!(wrong.status.as_u16(), 400);
    assert!(text(&wrong).contains("role=\"alert\""));
    assert_eq!(alice.act("/account/en", "/account/en/jurisdiction", &[("code", "de")]).await.status.as_u16(), 303);
    assert_eq!(server.services.jurisdictions.of(&alice_id).await.unwrap().jurisdiction.as_deref(), Some("DE"));
    assert!(text(&alice.get("/account/en").await).contains("by your own word"));
}

#[tokio::test]
async fn her_data_comes_encrypted_to_her_key_and_leaves_no_file() {
    let server = server().await;
    let mut alice = Browser::of(&server, "alice").await;
    for fields in [[("recipient", "age1nonsense"), ("password", PASSWORD)], [("recipient", KEY), ("password", "wrong")]]
    {
        let refused = alice.act("/account/en", "/account/en/export", &fields).await;
        assert!(refused.status.is_client_error() && text(&refused).contains("role=\"alert\""), "{}", text(&refused));
    }
    let file = alice.act("/account/en", "/account/en/export", &[("recipient", KEY), ("password", PASSWORD)]).await;
    assert_eq!(file.status.as_u16(), 200, "{}", String::from_utf8_lossy(&file.bytes));
    assert!(file.bytes.starts_with(b"age-encryption.org/v1\n"));
    assert_eq!(file.headers["content-length"].to_str().unwrap(), file.bytes.len().to_string());
    assert_eq!(&file.headers["content-disposition"], "attachment; filename=\"alice.tar.age\"");
    let folder = server.admin.evidence.audits.documents().folder().to_owned();
    let left: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|end| end != "json"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(
        text(&alice.get("/account/en").await).contains("made an encrypted copy of all your data"),
        "she reads that she did"
    );
}

#[tokio::test]
async fn an_erased_account_is_gone() {
    let server = server().await;
    room(&server, "alice", "Choir").await;
    let mut alice = Browser::of(&server, "alice").await;
    for fields in [vec![("password", PASSWORD)], vec![("password", "wrong"), ("sure", "on")]] {
        let refused = alice.act("/account/en", "/account/en/erase", &fields).await;
        assert!(refused.status.is_client_error() && text(&refused).contains("role=\"alert\""));
    }
    server.user("alice").get("/_matrix/client/v3/account/whoami").await.ok();
    let erased = alice.act("/account/en", "/account/en/erase", &[("password", PASSWORD), ("sure", "on")]).await;
    let page = text(&erased);
    assert!(
        erased.status.is_success() && page.contains("Your account is erased") && page.contains("memberships"),
        "{page}"
    );
    server.user("alice").get("/_matrix/client/v3/account/whoami").await.fails(401, "M_UNKNOWN_TOKEN");
    assert_eq!(Browser::new(&server).sign_in("alice", PASSWORD).await.status.as_u16(), 403);
    server.user("bob").get("/_matrix/client/v3/account/whoami").await.ok();
}

/// A page that needs no session.
#[tokio::test]
async fn the_front_leads_to_it() {
    let server = server().await;
    let page = text(&server.anonymous().request(Request::builder().uri("/").body(Body::empty()).unwrap()).await);
    assert!(page.contains("href=\"/account/en\"") && page.contains("href=\"/status/en\""), "{page}");
}

#[tokio::test]
async fn who_has_no_key_is_given_one_that_opens_the_file() {
    let server = server().await;
    room(&server, "alice", "Choir").await;
    let mut alice = Browser::of(&server, "alice").await;
    let made = text(&alice.act("/account/en", "/account/en/key", &[]).await);
    let between = |text: &str, from: &str, to: &str| {
        let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no `{from}` in {text}"));
        rest.split(to).next().unwrap().to_owned()
    };
    let secret = format!("AGE-SECRET-KEY-1{}", between(&made, "AGE-SECRET-KEY-1", "<"));
    let public = between(&made, "name=\"recipient\" value=\"", "\"");
    let again = text(&alice.act("/account/en", "/account/en/key", &[]).await);
    assert!(!again.contains(&secret) && !again.contains(&public), "each time another one");
    assert!(!text(&alice.get("/account/en").await).contains("AGE-SECRET-KEY"), "it is kept nowhere");
    let fields = [("recipient", public.as_str()), ("password", PASSWORD)];
    let file = alice.act("/account/en", "/account/en/export", &fields).await;
    assert_eq!(file.status.as_u16(), 200, "{}", String::from_utf8_lossy(&file.bytes));
    let files = opened(&file.bytes, &secret);
    assert!(files.iter().any(|(name, _)| name == "index.json"), "{:?}", files.iter().map(|(name, _)| name));
}

#[tokio::test]
async fn a_device_is_signed_out_with_the_password() {
    let server = server().await;
    let other = server.login("alice").await;
    let mut alice = Browser::of(&server, "alice").await;
    for fields in [
        [("device", other.device_id.as_str()), ("password", "wrong")],
        [("device", server.user("bob").device_id.as_str()), ("password", PASSWORD)],
    ] {
        let refused = alice.act("/account/en", "/account/en/sign-out", &fields).await;
        assert!(refused.status.is_client_error() && text(&refused).contains("role=\"alert\""), "{}", text(&refused));
    }
    other.get("/_matrix/client/v3/account/whoami").await.ok();
    let fields = [("device", other.device_id.as_str()), ("password", PASSWORD)];
    let done = alice.act("/account/en", "/account/en/sign-out", &fields).await;
    assert_eq!(&done.headers["location"], "/account/en#devices");
    other.get("/_matrix/client/v3/account/whoami").await.fails(401, "M_UNKNOWN_TOKEN");
    for still in ["alice", "bob"] {
        server.user(still).get("/_matrix/client/v3/account/whoami").await.ok();
    }
}

#[tokio::test]
async fn a_clients_link_leads_through_signing_in_to_its_place() {
    let server = server().await;
    let device = server.user("alice").device_id;
    let mut alice = Browser::new(&server);
    let link = format!("?action=org.matrix.device_view&device_id={device}");
    let best = alice.get(&format!("/account{link}")).await;
    assert_eq!(best.headers["location"].to_str().unwrap(), format!("/account/en{link}"));
    let form = format!("/account/en/login{link}");
    assert!(text(&alice.get(&format!("/account/en{link}")).await).contains(&form.replace('&', "&amp;")));
    let signed_in = alice.act("/account/en", &form, &[("name", "alice"), ("password", PASSWORD)]).await;
    let place = format!("/account/en?device_id={device}#devices");
    assert_eq!(signed_in.headers["location"].to_str().unwrap(), place);
    let page = text(&alice.get(&place).await);
    assert!(page.contains("id=\"devices\"") && page.contains(&format!("value=\"{device}\" selected")), "{page}");
    let page = alice.get("/account/en?action=org.matrix.account_deactivate").await;
    assert_eq!(&page.headers["location"], "/account/en#erase");
    for nonsense in ["action=%00%0d%0aX: y", "action=a&action=b", "device_id=%ff"] {
        let answer = alice.get(&format!("/account/en?{}", nonsense.replace(' ', "%20"))).await;
        assert!(answer.status.is_success() || answer.headers["location"] == "/account/en", "{nonsense}: {answer:?}");
    }
}
