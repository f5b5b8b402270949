//! What authorities, registers, other people's pages and operators wrote is shown, and never is markup.

use domicile_app::standing::{
    demands::NewDemand,
    dossiers::{Change, NewContact},
    incidents::{FirstUpdate, IncidentKind, NewIncident},
};
use domicile_testkit::server::Probed;

use super::*;

const HOSTILE: &str = "</textarea></title><script>alert(1)</script>\" onload=\"x' & <img src=x onerror=alert(2)>";

async fn hostile() -> TestServer {
    let server = server().await;
    let text = || HOSTILE.to_owned();
    let standing = &server.admin.standing;
    let demand = NewDemand {
        code: "DE".to_owned(),
        authority: text(),
        reference: Some(text()),
        basis: text(),
        scope: text(),
        duty: None,
        received_ts: None,
        due_ts: Some(1_700_000_000_000),
        who: text(),
    };
    standing.demands.add(demand).await.unwrap();
    let change = Change {
        status: Some("draft".to_owned()),
        legal_entity: Some(text()),
        authority: Some(text()),
        register: Some(text()),
        number: Some(text()),
        note: Some(text()),
        next_action: Some(text()),
        next_due_ts: Some(1_700_000_000_000),
        ..Change::default()
    };
    standing.dossiers.set("RU", change, &text()).await.unwrap();
    let contact = NewContact { address: "mail@example.org".to_owned(), is_public: true, person: None };
    standing.dossiers.set_contact("RU", "security", contact, &text()).await.unwrap();
    standing.dossiers.attach("RU", HOSTILE, &"ab".repeat(32), 7, &text()).await.unwrap();
    let first =
        FirstUpdate { words: [("en".to_owned(), text())].into(), note: Some(text()), is_public: true, who: text() };
    standing.incidents.open(NewIncident { kind: IncidentKind::Outage, code: None, first }).await.unwrap();
    let at = domicile_testkit::server::START_MS - 1_000;
    let seen = Probed { at, host: HOSTILE, verdict: "block_page", evidence: &[HOSTILE], rates: (None, None) };
    server.probed(7, seen).await;
    server
}

#[tokio::test]
async fn nothing_that_somebody_wrote_is_markup() {
    let server = Box::pin(hostile()).await;
    let mut ada = Browser::of(&server, "ada").await;
    let mut seen = 0;
    for path in [
        "/console",
        "/console/alerts",
        "/console/incidents",
        "/console/incidents/1",
        "/console/demands",
        "/console/demands/1",
        "/console/dossiers",
        "/console/dossiers/RU",
        "/console/probes",
        "/console/probes/7",
    ] {
        let page = text(&ada.get(&server, path).await);
        for never in ["<script", "<img", "\" onload", "</textarea></title>"] {
            assert!(!page.contains(never), "{path}: {never}: {page}");
        }
        seen += usize::from(page.contains("&lt;script&gt;alert(1)"));
    }
    assert!(seen >= 8, "what was written is shown on {seen} pages");
}

#[tokio::test]
async fn what_was_typed_wrongly_is_no_markup_either() {
    let server = Box::pin(hostile()).await;
    let mut ada = Browser::of(&server, "ada").await;
    let answers = [
        ada.act(
            &server,
            "/console/demands/1",
            &[("outcome", HOSTILE), ("decision", HOSTILE), ("given_account", HOSTILE)],
        )
        .await,
        ada.act(&server, "/console/incidents", &[("kind", HOSTILE), ("code", HOSTILE), ("note", HOSTILE)]).await,
        ada.act(&server, "/console/dossiers/RU", &[("note", HOSTILE), ("next_action", "x"), ("next_due", HOSTILE)])
            .await,
        Browser::default().sign_in(&server, HOSTILE, HOSTILE).await,
    ];
    for answer in answers {
        let page = text(&answer);
        assert!(page.contains("role=\"alert\"") && page.contains("&lt;script&gt;"), "{page}");
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("\" onload"), "{page}");
    }
}
