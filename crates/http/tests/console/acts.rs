//! What operators do in the console: it is what the command line does, under their names, and only for editors.

use std::collections::BTreeMap;

use domicile_app::standing::{demands::NewDemand, dossiers::Change};

use super::*;

async fn demand(server: &TestServer) -> i64 {
    let new = NewDemand {
        code: "DE".to_owned(),
        authority: "Amtsgericht".to_owned(),
        reference: Some("7 Gs 1/26".to_owned()),
        basis: "§ 100g StPO".to_owned(),
        scope: "Who is @alice:localhost?".to_owned(),
        duty: None,
        received_ts: None,
        due_ts: Some(domicile_testkit::server::START_MS + 3_600_000),
        who: "ada".to_owned(),
    };
    server.admin.standing.demands.add(new).await.unwrap().demand
}

#[tokio::test]
async fn a_demand_is_answered_once_with_what_was_given() {
    let server = server().await;
    let path = format!("/console/demands/{}", demand(&server).await);
    let mut ada = Browser::of(&server, "ada").await;
    let page = text(&ada.get(&server, &path).await);
    assert!(page.contains("in 60 minutes") && page.contains("Amtsgericht"), "{page}");

    // What is wrong is told beside what was filled in.
    let refused = ada.act(&server, &path, &[("outcome", "partly"), ("decision", "Only the day.")]).await;
    let page = text(&refused);
    assert!(page.contains("Say what was given") && page.contains("Only the day.</textarea>"), "{page}");
    for (field, value) in [("given_account", "many"), ("given_account", "-1"), ("given_nothing", "1")] {
        let fields = [("outcome", "partly"), ("decision", "x"), (field, value)];
        let page = text(&ada.act(&server, &path, &fields).await);
        assert!(page.contains("role=\"alert\""), "{field}={value}: {page}");
    }

    let fields = [("outcome", "partly"), ("decision", "Only the day."), ("given_account", "120"), ("given_media", "")];
    assert_eq!(ada.act(&server, &path, &fields).await.status.as_u16(), 303);
    let (demands, _) = server.admin.standing.demands.list(0).await.unwrap();
    assert_eq!((demands[0].state.as_str(), demands[0].decided_by.as_deref()), ("partly", Some("ada")));
    assert_eq!(demands[0].given, BTreeMap::from([("account".to_owned(), 120)]));
    assert!(text(&ada.get(&server, &path).await).contains("Only the day."));
}

#[tokio::test]
async fn an_incident_is_opened_told_and_resolved() {
    let server = server().await;
    let mut ada = Browser::of(&server, "ada").await;
    let opened = ada
        .act(
            &server,
            "/console/incidents",
            &[
                ("kind", "unreachable"),
                ("code", "ru"),
                ("words_en", "We look into it."),
                ("words_ru", "Мы разбираемся."),
                ("note", "RST"),
                ("is_public", "on"),
            ],
        )
        .await;
    let path = opened.headers["location"].to_str().unwrap().to_owned();
    let incident = server.admin.standing.incidents.list().await.unwrap().remove(0);
    assert!(incident.is_public && incident.code.as_deref() == Some("RU"));
    assert_eq!(incident.updates[0].words["ru"], "Мы разбираемся.");
    assert_eq!(incident.updates[0].who, "ada");

    assert_eq!(
        ada.act(&server, &path, &[("state", "resolved"), ("words_en", "It is over.")]).await.status.as_u16(),
        303
    );
    let incident = server.admin.standing.incidents.get(incident.incident).await.unwrap();
    assert!(incident.resolved_ts.is_some() && !incident.is_public, "the box was not ticked any more");
    let page = text(&ada.get(&server, &path).await);
    assert!(page.contains("It is over.") && !page.contains("Write an update"), "{page}");
    let refused =
        ada.act(&server, "/console/incidents", &[("kind", "other"), ("code", "Russia"), ("note", "kept")]).await;
    assert!(text(&refused).contains("is no country&#39;s code") || text(&refused).contains("is no country's code"));
    assert!(text(&refused).contains("kept</textarea>"));
}

#[tokio::test]
async fn a_dossier_takes_a_note_and_what_comes_next() {
    let server = server().await;
    let change = Change { status: Some("draft".to_owned()), ..Change::default() };
    server.admin.standing.dossiers.set("RU", change, "ada").await.unwrap();
    let mut ada = Browser::of(&server, "ada").await;
    let path = "/console/dossiers/RU";
    let wrong = ada.act(&server, path, &[("note", "mine"), ("next_action", "call"), ("next_due", "tomorrow")]).await;
    assert!(text(&wrong).contains("is no day") && text(&wrong).contains("mine</textarea>"));
    let fields = [("note", "They called.\r\nWe wait."), ("next_action", "call back"), ("next_due", "2026-12-01")];
    assert_eq!(ada.act(&server, path, &fields).await.status.as_u16(), 303);
    let whole = server.admin.standing.dossiers.get("RU").await.unwrap();
    assert_eq!(whole.dossier.note.as_deref(), Some("They called.\nWe wait."));
    assert_eq!(whole.dossier.next_action.as_deref(), Some("call back"));
    assert_eq!(whole.history[0].who, "ada");
}

#[tokio::test]
async fn an_audit_is_made_and_shown() {
    let server = server().await;
    let mut ada = Browser::of(&server, "ada").await;
    assert!(text(&ada.get(&server, "/console/audits").await).contains("No audit was made yet."));
    assert_eq!(ada.act(&server, "/console/audits", &[]).await.status.as_u16(), 303);
    let page = text(&ada.get(&server, "/console/audits").await);
    assert!(page.contains(">passed<") && page.contains("What it does not cover"), "{page}");
}

#[tokio::test]
async fn readers_and_operators_of_other_regions_do_nothing() {
    let server = server().await;
    let demand = format!("/console/demands/{}", demand(&server).await);
    for name in ["ben", "kim"] {
        let mut browser = Browser::of(&server, name).await;
        // The page of regions has a form for them, the one for signing out.
        let own = token(&browser.get(&server, "/console/regions").await);
        for path in [
            demand.as_str(),
            "/console/incidents",
            "/console/audits",
            "/console/dossiers/RU",
            "/console/papers/1/review",
        ] {
            let fields = [("form_token", own.clone()), ("outcome", "refused".to_owned()), ("decision", "x".to_owned())];
            assert_eq!(browser.post(&server, path, &fields).await.status.as_u16(), 403, "{name} {path}");
        }
    }
    assert_eq!(server.admin.standing.demands.open().await.unwrap().len(), 1);
}
