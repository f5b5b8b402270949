//! Cells that reach each other by proxies, one of either kind, and a server that reaches others by one.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use domicile_testkit::{
    cluster::Cluster,
    proxy::{Kind, Manner, TestProxy},
    server::{Settings, TestServer},
    tap::Tap,
};
use serde_json::json;

use crate::{V3, read, say, shared, until};

#[tokio::test(flavor = "multi_thread")]
async fn cells_talk_by_way_of_proxies_and_by_no_other() {
    let (http, socks) =
        (TestProxy::start(Kind::Http, None).await, TestProxy::start(Kind::Socks5, Some(("ru1", "pass word"))).await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "pass word\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let (to_http, to_socks, file) = (http.url(), socks.url(), file.display().to_string());
    let own = move |cell: &str, mut settings: Settings| {
        let deployment = &mut settings.config.deployment;
        if cell == "eu1" {
            deployment.proxy.clone_from(&to_http);
        } else {
            deployment.proxy.clone_from(&to_socks);
            deployment.proxy_username = "ru1".to_owned();
            deployment.proxy_password_file.clone_from(&file);
        }
        settings
    };
    let cells = [("eu1", "eu"), ("ru1", "ru")];
    let cluster = Cluster::with_own(&cells, "encrypted_only", str::to_owned, own).await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    let said = say(&alice, &room, "by-http").await;
    until("it comes", || async { read(&bob, &room).await.contains(&said) }).await;
    let said = say(&bob, &room, "by-socks").await;
    until("it comes", || async { read(&alice, &room).await.contains(&said) }).await;
    let address = |cell: &str| {
        let document = cluster.document();
        let own = document.split(&format!("name = \"{cell}\"")).nth(1).unwrap();
        let url = own.split("inner_url = \"https://").nth(1).unwrap();
        url.split(['"', '/']).next().unwrap().to_owned()
    };
    let only = |asked: Vec<String>, cell: &str| !asked.is_empty() && asked.iter().all(|asked| *asked == address(cell));
    assert!(only(http.asked(), "ru1") && only(socks.asked(), "eu1"), "{:?} {:?}", http.asked(), socks.asked());

    // The direct way is open all the time; it is not what was chosen.
    http.behave(Manner::Refuses);
    let said = say(&alice, &room, "waits").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.pass(60_000);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!read(&bob, &room).await.contains(&said));
    http.behave(Manner::Leads);
    cluster.pass(600_000);
    until("it comes when the proxy leads again", || async { read(&bob, &room).await.contains(&said) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_cells_that_are_named_are_reached_by_the_proxy() {
    let proxy = TestProxy::start(Kind::Socks5, None).await;
    let url = proxy.url();
    let own = move |cell: &str, mut settings: Settings| {
        if cell == "eu1" {
            settings.config.deployment.proxy.clone_from(&url);
            settings.config.deployment.proxy_cells = vec!["elsewhere".to_owned()];
        }
        settings
    };
    let cells = [("eu1", "eu"), ("ru1", "ru")];
    let cluster = Cluster::with_own(&cells, "encrypted_only", str::to_owned, own).await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    let said = say(&alice, &room, "directly").await;
    until("it comes", || async { read(&bob, &room).await.contains(&said) }).await;
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_servers_are_reached_by_the_proxy_that_is_for_them() {
    let (proxy, tap) = (TestProxy::start(Kind::Http, None).await, Tap::start().await);
    let mut settings = Settings { tells: true, ..Settings::default() };
    settings.config.federation.proxy = proxy.url();
    let server = TestServer::federating_with(settings).await.with_user("alice").await;
    let (alice, room) = (server.user("alice"), tap.room("11"));
    let room_id = room.room_id();
    alice.post(&format!("{V3}/join/{room_id}?via={}", tap.name()), &json!({})).await.ok();
    say(&alice, room_id.as_str(), "hello").await;
    until("the message comes", || async { tap.heard().iter().any(|heard| heard.path.contains("/send/")) }).await;
    let asked = proxy.asked();
    assert!(!asked.is_empty() && asked.iter().all(|asked| asked == tap.name().as_str()), "{asked:?}");
    let heard = tap.heard().len();
    proxy.behave(Manner::Refuses);
    say(&alice, room_id.as_str(), "and-again").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(tap.heard().len(), heard, "nothing goes past it");
}
