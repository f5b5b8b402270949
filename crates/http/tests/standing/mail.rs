//! Alerts by mail: sent once, over TLS where it is asked for, and a mail server that hangs or refuses harms nobody.

use std::time::Duration;

use domicile_core::{
    clock::MINUTE_MS,
    config::{Config, MailSecurity},
};
use domicile_testkit::{
    gateway::{FakeGateway, client_settings},
    mail::{FakeMailServer, MailBehaviour, Secured},
    server::{Settings, TestServer},
};
use tokio::time::Instant;

use super::alerts::listed;

async fn server(mail: &FakeMailServer, security: MailSecurity, more: impl FnOnce(&mut Config)) -> TestServer {
    let mut config = Config::default();
    "localhost".clone_into(&mut config.mail.server);
    config.mail.port = u32::from(mail.port);
    config.mail.security = security;
    "Domicile <domicile@example.org>".clone_into(&mut config.mail.from);
    config.standing.alert_mail = vec!["ada@example.org".to_owned(), "Grace <grace@example.org>".to_owned()];
    more(&mut config);
    TestServer::with_settings(Settings { config, egress: client_settings(), ..Settings::default() }).await
}

#[tokio::test]
async fn an_alert_is_mailed_once_to_everybody_who_is_named() {
    let mail = FakeMailServer::start(Secured::Plain).await;
    let server = server(&mail, MailSecurity::Plain, |_| {}).await;
    let alerts = &server.admin.standing.alerts;
    alerts.tell().await.unwrap();
    assert_eq!(mail.connections(), 0, "there is nothing to tell");
    alerts.raise(listed("Запись 1, see below.\r\n.\r\nQUIT")).await.unwrap();
    for _ in 0..3 {
        alerts.tell().await.unwrap();
    }
    let mails = mail.mails();
    assert_eq!(mails.len(), 1);
    for part in [
        "From: Domicile <domicile@example.org>",
        "ada@example.org",
        "grace@example.org",
        "Subject: [localhost] 1 alert: listed",
        "Message-ID: <alerts-",
        "Date: ",
    ] {
        assert!(mails[0].contains(part), "{part} in {}", mails[0]);
    }
    let said = mail.said();
    assert!(said.iter().any(|line| line == "RCPT TO:<grace@example.org>"), "{said:?}");
    assert!(!said.iter().any(|line| line.starts_with("AUTH")), "nobody is told a password that there is none of");
    alerts.raise(listed("entry 2")).await.unwrap();
    alerts.tell().await.unwrap();
    assert_eq!(mail.mails().len(), 2, "what says something else is told again");
    assert!(alerts.list().await.unwrap()[0].mailed_ts.is_some());
}

#[tokio::test]
async fn a_mail_goes_over_tls_with_the_operators_password() {
    for (secured, security) in [(Secured::Tls, MailSecurity::Tls), (Secured::StartTls, MailSecurity::StartTls)] {
        let mail = FakeMailServer::start(secured).await;
        let server = server(&mail, security, |config| {
            config.mail.username = "domicile".to_owned();
            config.mail.password = "secret".to_owned();
        })
        .await;
        server.admin.standing.alerts.raise(listed("entry 1")).await.unwrap();
        server.admin.standing.alerts.tell().await.unwrap();
        assert_eq!(mail.mails().len(), 1, "{secured:?}: {:?}", mail.said());
        assert!(mail.said().iter().any(|line| line.starts_with("AUTH PLAIN ")), "{:?}", mail.said());
    }
}

#[tokio::test]
async fn without_the_tls_that_was_asked_for_nothing_is_sent() {
    let mail = FakeMailServer::start(Secured::Plain).await;
    let server = server(&mail, MailSecurity::StartTls, |config| {
        config.mail.username = "domicile".to_owned();
        config.mail.password = "secret".to_owned();
    })
    .await;
    let alerts = &server.admin.standing.alerts;
    alerts.raise(listed("entry 1")).await.unwrap();
    alerts.tell().await.unwrap();
    let said = mail.said();
    assert!(mail.mails().is_empty() && said.iter().all(|line| line.starts_with("EHLO") || line == "QUIT"), "{said:?}");
    assert!(alerts.list().await.unwrap()[0].mailed_ts.is_none());
}

#[tokio::test]
async fn a_mail_server_that_refuses_is_left_alone_for_longer_and_longer_and_loses_nothing() {
    let mail = FakeMailServer::start(Secured::Plain).await;
    mail.behave(MailBehaviour::Refuses(451));
    let server = server(&mail, MailSecurity::Plain, |_| {}).await;
    let alerts = &server.admin.standing.alerts;
    alerts.raise(listed("entry 1")).await.unwrap();
    alerts.tell().await.unwrap();
    alerts.tell().await.unwrap();
    assert_eq!(mail.connections(), 1, "it rests");
    server.clock.advance(MINUTE_MS + 1);
    alerts.tell().await.unwrap();
    server.clock.advance(MINUTE_MS + 1);
    alerts.tell().await.unwrap();
    assert_eq!(mail.connections(), 2, "the second rest is longer");
    mail.behave(MailBehaviour::Takes);
    server.clock.advance(MINUTE_MS + 1);
    alerts.tell().await.unwrap();
    assert_eq!(mail.mails().len(), 1);
}

#[tokio::test]
async fn a_mail_server_that_hangs_is_given_up_and_the_webhook_hears_it_all_the_same() {
    let (mail, hook) = (FakeMailServer::start(Secured::Plain).await, FakeGateway::start().await);
    mail.behave(MailBehaviour::Silent);
    let server = server(&mail, MailSecurity::Plain, |config| config.standing.alert_url = hook.url()).await;
    let alerts = &server.admin.standing.alerts;
    alerts.raise(listed("entry 1")).await.unwrap();
    let begun = Instant::now();
    alerts.tell().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    let raised = &alerts.list().await.unwrap()[0];
    assert!(raised.mailed_ts.is_none() && raised.told_ts.is_some() && hook.requests() == 1);
}
