//! Every page is there for those who may see it, and what a browser may do with it is bounded.

use super::*;

const PAGES: [(&str, &str); 13] = [
    ("/console", "Overview"),
    ("/console/alerts", "Alerts"),
    ("/console/incidents", "Incidents"),
    ("/console/demands", "Demands"),
    ("/console/standing", "Standing"),
    ("/console/standing?all=true", "Russia"),
    ("/console/dossiers", "Dossiers"),
    ("/console/blocklists", "Blocklists"),
    ("/console/probes", "Probes"),
    ("/console/moves", "Nobody has been moved away"),
    ("/console/arrivals", "Nobody has moved here"),
    ("/console/audits", "Audits"),
    ("/console/ledger?days=90&by=class&of=items", "Export ledger"),
];

#[tokio::test]
async fn operators_of_the_region_see_every_page() {
    let server = server().await;
    for name in ["ada", "ben"] {
        let mut browser = Browser::of(&server, name).await;
        for (path, said) in PAGES {
            let answer = browser.get(&server, path).await;
            let page = text(&answer);
            assert!(answer.status.is_success() && page.contains(said), "{name} {path}: {page}");
        }
    }
}

#[tokio::test]
async fn forms_are_shown_to_those_who_may_send_them() {
    let server = server().await;
    for (name, sees) in [("ada", true), ("ben", false)] {
        let mut browser = Browser::of(&server, name).await;
        for (path, button) in [("/console/incidents", "Open it"), ("/console/audits", "Make an audit now")] {
            assert_eq!(text(&browser.get(&server, path).await).contains(button), sees, "{name} {path}");
        }
    }
}

#[tokio::test]
async fn a_browser_may_only_show_them() {
    let server = server().await;
    let mut ada = Browser::of(&server, "ada").await;
    for (path, _) in PAGES {
        let answer = ada.get(&server, path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self'"), "{policy}");
        assert_eq!(answer.headers["cache-control"], "no-store");
        let page = text(&answer);
        for never in ["<script", " style=", " onload=", " onclick=", "javascript:", "<style"] {
            assert!(!page.contains(never), "{path}: {never}");
        }
    }
    let style = ada.get(&server, "/console/style.css").await;
    assert!(style.headers["content-type"].to_str().unwrap().starts_with("text/css"));
    assert!(!text(&style).contains("url(") && !text(&style).contains("@import"));
}

#[tokio::test]
async fn who_is_for_another_region_sees_how_it_is_laid_out_and_round_numbers() {
    let server = server().await;
    let mut kim = Browser::of(&server, "kim").await;
    assert_eq!(kim.get(&server, "/console").await.headers["location"], "/console/regions");
    let page = text(&kim.get(&server, "/console/regions").await);
    assert!(page.contains("fewer than 100"), "{page}");
    for (path, _) in PAGES.iter().skip(1) {
        assert_eq!(kim.get(&server, path).await.status.as_u16(), 403, "{path}");
    }
    let mut ada = Browser::of(&server, "ada").await;
    assert!(!text(&ada.get(&server, "/console/regions").await).contains("fewer than"));
}

#[tokio::test]
async fn what_is_not_there_is_a_page_that_says_so() {
    let server = server().await;
    let mut ada = Browser::of(&server, "ada").await;
    for path in [
        "/console/incidents/9",
        "/console/demands/9",
        "/console/papers/9",
        "/console/probes/9",
        "/console/dossiers/RU",
        "/console/standing/RU/nothing",
        "/console/nothing/at/all",
    ] {
        let answer = ada.get(&server, path).await;
        assert_eq!(answer.status.as_u16(), 404, "{path}");
        assert!(text(&answer).contains("There is no"), "{path}");
    }
    assert!(ada.get(&server, "/console/incidents/x").await.status.is_client_error());
    assert!(ada.get(&server, "/console/ledger?days=-5").await.status.is_success());
    assert!(ada.get(&server, "/console/ledger?days=999999999999").await.status.is_success());
}
