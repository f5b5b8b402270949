//! Signing in and out: who gets in, for how long, and what a page of somebody else can do about it (nothing).

use domicile_app::accounts::rate_limits::{Rate, RateLimitSettings};
use domicile_core::clock::MINUTE_MS;

use super::*;

#[tokio::test]
async fn nobody_sees_anything_without_signing_in() {
    let server = server().await;
    for path in [
        "/console",
        "/console/alerts",
        "/console/incidents",
        "/console/incidents/1",
        "/console/demands",
        "/console/demands/1",
        "/console/standing",
        "/console/standing/RU/ori-registration",
        "/console/dossiers",
        "/console/dossiers/RU",
        "/console/papers/1",
        "/console/blocklists",
        "/console/probes",
        "/console/probes/1",
        "/console/regions",
        "/console/moves",
        "/console/arrivals",
        "/console/audits",
        "/console/ledger",
    ] {
        let answer = Browser::default().get(&server, path).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["location"]),
            (303, &"/console/login".parse().unwrap()),
            "{path}"
        );
        let mut forged = Browser { cookies: vec![("domicile_console".to_owned(), "x".repeat(32))] };
        assert_eq!(forged.get(&server, path).await.status.as_u16(), 303, "{path}");
    }
    assert_eq!(Browser::default().get(&server, "/console/nothing").await.status.as_u16(), 404);
}

#[tokio::test]
async fn the_right_password_opens_a_session_and_no_other_does() {
    let server = server().await;
    for (name, password) in
        [("ada", "wrong"), ("nobody", PASSWORD), ("alice", domicile_testkit::server::PASSWORD), ("", "")]
    {
        let mut browser = Browser::default();
        let answer = browser.sign_in(&server, name, password).await;
        assert_eq!(answer.status.as_u16(), 403, "{name}");
        assert!(text(&answer).contains("The name or the password is wrong."));
        assert!(browser.cookies.iter().all(|(name, _)| name != "domicile_console"));
    }
    let mut ada = Browser::of(&server, "ada").await;
    assert!(text(&ada.get(&server, "/console").await).contains("Overview"));
}

#[tokio::test]
async fn the_cookie_is_for_this_site_alone() {
    let server = server().await;
    let mut browser = Browser::default();
    let answer = browser.sign_in(&server, "ada", PASSWORD).await;
    let cookie =
        answer.headers.get_all("set-cookie").iter().find(|cookie| cookie.as_bytes().starts_with(b"domicile_console="));
    let cookie = cookie.unwrap().to_str().unwrap();
    assert!(cookie.contains("; Path=/console; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains("Secure"), "without TLS a browser would not keep it: {cookie}");

    let mut request = Request::builder().uri("/console/login").body(Body::empty()).unwrap();
    request.extensions_mut().insert(domicile_http::extract::Private);
    let answer = domicile_http::console::routes(server.admin.clone()).oneshot(request).await.unwrap();
    assert!(answer.headers()["set-cookie"].to_str().unwrap().ends_with("; Secure"));
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_when_somebody_signs_out() {
    let server = server().await;
    let (mut ada, mut other) = (Browser::of(&server, "ada").await, Browser::of(&server, "ada").await);
    server.clock.advance(14 * MINUTE_MS);
    assert_eq!(ada.get(&server, "/console").await.status.as_u16(), 200);
    server.clock.advance(14 * MINUTE_MS);
    assert_eq!(ada.get(&server, "/console").await.status.as_u16(), 200);
    assert_eq!(other.get(&server, "/console").await.status.as_u16(), 303);

    let held = ada.cookies.clone();
    let page = ada.get(&server, "/console").await;
    let answer = ada.post(&server, "/console/logout", &[("form_token", token(&page))]).await;
    assert_eq!(&answer.headers["location"], "/console/login");
    assert_eq!(Browser { cookies: held }.get(&server, "/console").await.status.as_u16(), 303);
}

#[tokio::test]
async fn who_is_removed_or_gets_another_password_is_out_at_once() {
    let server = server().await;
    let (mut ada, mut ben) = (Browser::of(&server, "ada").await, Browser::of(&server, "ben").await);
    server.admin.operators.remove("ben").await.unwrap();
    assert_eq!(ben.get(&server, "/console").await.status.as_u16(), 303);
    server.admin.operators.set_password("ada", "another long password".to_owned()).await.unwrap();
    server.admin.operator_sessions.end_all_of("ada");
    assert_eq!(ada.get(&server, "/console").await.status.as_u16(), 303);
    assert_eq!(Browser::default().sign_in(&server, "ada", PASSWORD).await.status.as_u16(), 403);
    assert!(server.admin.operators.add("zoe", "short".to_owned(), Role::Reader, Regions::All).await.is_err());
}

#[tokio::test]
async fn passwords_cannot_be_tried_for_long() {
    let rate = Some(Rate { per_second: 0.01, burst: 3 });
    let rate_limits = RateLimitSettings { login_account: rate, ..RateLimitSettings::default() };
    let server = server_with(Settings { rate_limits, ..Settings::default() }).await;
    for _ in 0..3 {
        assert_eq!(Browser::default().sign_in(&server, "ada", "wrong").await.status.as_u16(), 403);
    }
    assert_eq!(Browser::default().sign_in(&server, "ada", PASSWORD).await.status.as_u16(), 429);
    assert_eq!(Browser::default().sign_in(&server, "ben", PASSWORD).await.status.as_u16(), 303, "somebody else");
}

#[tokio::test]
async fn no_other_page_can_sign_somebody_in_or_act_for_them() {
    let server = server().await;
    // A form that was not shown to this browser.
    let form = [("form_token", "x".to_owned()), ("name", "ada".to_owned()), ("password", PASSWORD.to_owned())];
    assert_eq!(Browser::default().post(&server, "/console/login", &form).await.status.as_u16(), 403);

    let mut ada = Browser::of(&server, "ada").await;
    let mut other = Browser::of(&server, "ada").await;
    let foreign = token(&other.get(&server, "/console/incidents").await);
    for wrong in ["", "x", &foreign] {
        let fields = [("form_token", wrong.to_owned()), ("kind", "outage".to_owned())];
        assert_eq!(ada.post(&server, "/console/incidents", &fields).await.status.as_u16(), 403, "{wrong}");
    }
    let own = token(&ada.get(&server, "/console/incidents").await);
    for site in ["cross-site", "same-site", "none"] {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/console/incidents")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site);
        let body = Body::from(encoded(&[("form_token", own.clone()), ("kind", "outage".to_owned())]));
        assert_eq!(ada.send(&server, request, body).await.status.as_u16(), 403, "{site}");
    }
    assert!(server.admin.standing.incidents.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn forms_are_bounded() {
    let server = server().await;
    let mut ada = Browser::of(&server, "ada").await;
    let own = token(&ada.get(&server, "/console/incidents").await);
    let long = [("form_token", own.clone()), ("kind", "outage".to_owned()), ("note", "x".repeat(200_000))];
    assert_eq!(ada.post(&server, "/console/incidents", &long).await.status.as_u16(), 413);
    let request = Request::builder()
        .method(Method::POST)
        .uri("/console/incidents")
        .header(header::CONTENT_TYPE, "application/json");
    assert_eq!(ada.send(&server, request, Body::from("{}")).await.status.as_u16(), 400);
}
