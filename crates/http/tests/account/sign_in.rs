//! The page to which links to sign in lead.

use axum::{body::Body, http::Request};
use domicile_testkit::server::{Answered, Settings, TestServer};

use crate::{server, text};

async fn shown(server: &TestServer, path: &str) -> Answered {
    server.anonymous().request(Request::builder().uri(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn who_was_given_an_account_or_a_token_reads_what_to_type() {
    let mut settings = Settings::default();
    "https://matrix.example.org/".clone_into(&mut settings.config.server.public_url);
    let server = TestServer::with_settings(settings).await;
    for (language, said) in
        [("en", "What you type"), ("de", "Was Sie in die App"), ("ru", "Что ввести"), ("zh", "在应用中输入的内容")]
    {
        let answer = shown(&server, &format!("/sign-in/{language}?name=alice")).await;
        let page = text(&answer);
        for said in [
            said,
            "<b class=\"mono\">matrix.example.org</b>",
            "<b class=\"mono\">alice</b>",
            "@alice:localhost",
            "href=\"https://mobile.element.io/element?account_provider=matrix.example.org\"",
            "href=\"/sign-in/ru?name=alice\"",
        ] {
            assert!(
                page.contains(said) || (language == "ru" && said.contains("/sign-in/ru")),
                "{language}: {said}: {page}"
            );
        }
        // Who makes the app learns no name, and nobody learns whether there is such an account.
        assert!(!page.split("href=\"https://").skip(1).any(|link| link.split('"').next().unwrap().contains("alice")));
        assert!(answer.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert!(!page.contains("<script") && !page.contains(" style="), "{page}");
    }
    let page = text(&shown(&server, "/sign-in/en?token=ab.C-1").await);
    assert!(page.contains("<b class=\"mono\">ab.C-1</b>") && page.contains("/register/matrix.example.org/"), "{page}");
    for nonsense in ["name=%3Cb%3E&token=%3Cb%3E", "name=a%20b", "token=", "name=a&name=b", "%ff", "token=x%0d%0ay"] {
        let answer = shown(&server, &format!("/sign-in/en?{nonsense}")).await;
        let page = text(&answer);
        assert!(answer.status.is_success() && !page.contains("<b>") && !page.contains("@a"), "{nonsense}: {page}");
    }
    let best = shown(&server, "/sign-in?name=alice").await;
    assert_eq!(&best.headers["location"], "/sign-in/en?name=alice");
    let best = shown(&server, "/sign-in?name=a%0d%0aSet-Cookie:%20x=y").await;
    assert_eq!(&best.headers["location"], "/sign-in/en");
    let best = shown(&server, "/_matrix/static/client/login/").await;
    assert_eq!(&best.headers["location"], "/sign-in/en");
    shown(&server, "/sign-in/xx").await.fails(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn a_server_that_says_no_address_names_none() {
    let mut settings = Settings::default();
    "0.0.0.0:8008".clone_into(&mut settings.config.listeners[0].bind);
    let server = TestServer::with_settings(settings).await;
    let page = text(&shown(&server, "/sign-in/en?name=alice").await);
    assert!(page.contains("Ask whoever gave you this link") && !page.contains("element.io"), "{page}");
    // One without TLS is typed as a whole, and no app is linked.
    let page = text(&shown(&TestServer::start().await, "/sign-in/en").await);
    assert!(page.contains("http://127.0.0.1:8008") && !page.contains("element.io"), "{page}");
}
