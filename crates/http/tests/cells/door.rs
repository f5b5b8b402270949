//! Who comes to another cell than their home: passed through where its region lets people in by any door, and told nothing that others are not told
//! where it does not.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use domicile_app::moves::{Order, State, Target};
use domicile_testkit::{
    cluster::{Cluster, Request as Asked},
    server::{PASSWORD, TestServer, TestUser},
};
use serde_json::{Value, json};

use crate::{
    V3,
    moves::{finish, order},
    read, say, shared, two, until,
};

fn login_body(name: &str, password: &str) -> Value {
    json!({ "type": "m.login.password", "identifier": { "type": "m.id.user", "user": name }, "password": password })
}

async fn login(at: &TestServer, name: &str, password: &str) -> domicile_testkit::server::Answered {
    at.anonymous().post(&format!("{V3}/login"), &login_body(name, password)).await
}

/// Somebody who shows a token at a cell.
fn showing(at: &TestServer, token: &str) -> TestUser {
    let mut somebody = at.anonymous();
    somebody.token = Some(token.to_owned());
    somebody
}

/// Alice's region lets people in by their own door alone, bob's by any.
async fn world() -> Cluster {
    let mut cluster = two().await;
    Box::pin(cluster.rewrite("code = \"ru\"\n", "code = \"ru\"\nfront_door = \"any\"\n")).await;
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_passed_through_to_their_home() {
    let cluster = world().await;
    let (here, alice, bob) = (cluster.cell("eu1"), cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let answer = login(here, "bob", PASSWORD).await.ok();
    assert_eq!(answer["user_id"], bob.id());
    assert_eq!(answer["well_known"]["m.homeserver"]["base_url"], "https://ru1.example.org", "{answer}");
    // With the token of his home he does here what he does there, until his client goes there.
    let through: TestUser = here.with_token(&answer);
    let whoami = through.get(&format!("{V3}/account/whoami")).await;
    assert_eq!(whoami.headers.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter().count(), 1, "for browsers");
    assert_eq!(whoami.ok()["user_id"], bob.id());
    let room = shared(&alice, &through).await;
    let said = [say(&alice, &room, "one").await, say(&through, &room, "two").await];
    until("both are read", || async { read(&through, &room).await.len() == 2 && read(&alice, &room).await.len() == 2 })
        .await;
    assert!(said.iter().all(|id| id.starts_with('$')));
    let sync = through.get(&format!("{V3}/sync")).await.ok();
    let since = sync["next_batch"].as_str().unwrap().to_owned();
    assert!(sync["rooms"]["join"].get(&room).is_some(), "{sync}");
    // A poll waits there for what comes.
    let poll = format!("{V3}/sync?timeout=20000&since={since}");
    let (polled, third) = tokio::join!(through.get(&poll), say(&alice, &room, "three"));
    assert!(polled.ok().to_string().contains(&third));
    // Sliding sync, too, and a file goes there and back.
    let sliding = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";
    let list = json!({ "lists": { "all": { "ranges": [[0, 9]], "required_state": [], "timeline_limit": 1 } } });
    assert!(through.post(sliding, &list).await.ok()["rooms"].get(&room).is_some());
    let file = "x".repeat(2 << 20);
    let upload = Request::post("/_matrix/media/v3/upload?filename=a.txt")
        .header(header::AUTHORIZATION, format!("Bearer {}", through.token.as_ref().unwrap()))
        .header(header::CONTENT_TYPE, "text/plain")
        .header(header::CONTENT_LENGTH, file.len())
        .body(Body::from(file.clone()))
        .unwrap();
    let uri = through.request(upload).await.ok()["content_uri"].as_str().unwrap().to_owned();
    let path = format!("/_matrix/client/v1/media/download/{}", uri.strip_prefix("mxc://").unwrap());
    for by in [&through, &bob] {
        let got = by.get(&path).await;
        assert_eq!((got.status.as_u16(), got.bytes.len()), (200, file.len()));
    }
    // Nothing of him is kept here: neither a session nor a device.
    let contents = format!("{:?}", here.contents().await);
    assert!(!contents.contains(&through.device_id), "a device of somebody else's");
    through.post(&format!("{V3}/logout"), &json!({})).await.ok();
    through.get(&format!("{V3}/account/whoami")).await.fails(401, "M_UNKNOWN_TOKEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_at_a_door_whose_home_is_where() {
    let cluster = world().await;
    let alice = cluster.user("eu1", "alice");
    // At the door of ru1: bob is at home there, alice may come in at hers alone, carol is nobody.
    let there = cluster.cell("ru1");
    let wrong = login(there, "bob", "wrong").await.fails(403, "M_FORBIDDEN");
    assert!(wrong["error"].as_str().unwrap().contains("kept at another address"), "{wrong}");
    for name in ["alice", alice.id(), "carol", "@carol:example.org", "no name at all", "@"] {
        for password in [PASSWORD, "wrong"] {
            assert_eq!(login(there, name, password).await.fails(403, "M_FORBIDDEN"), wrong, "{name}");
            cluster.pass(60_000);
        }
    }
    // At the door of eu1, where bob may come in: the same, be his home there or away.
    let here = cluster.cell("eu1");
    let wrong = login(here, "alice", "wrong").await.fails(403, "M_FORBIDDEN");
    assert_eq!(login(here, "bob", "wrong").await.fails(403, "M_FORBIDDEN"), wrong);
    cluster.pass(60_000);
    let through = here.with_token(&login(here, "bob", PASSWORD).await.ok());
    cluster.cut();
    for name in ["bob", "carol"] {
        assert_eq!(login(here, name, PASSWORD).await.fails(403, "M_FORBIDDEN"), wrong, "{name}");
    }
    // But his client is not told that his session has ended.
    let away = through.get(&format!("{V3}/account/whoami")).await.fails(503, "M_UNKNOWN");
    assert!(away["retry_after_ms"].as_u64().is_some() && away["error"].as_str().unwrap().contains("try again"));
    let unknown = showing(here, "made up");
    unknown.get(&format!("{V3}/account/whoami")).await.fails(503, "M_UNKNOWN");
    cluster.heal();
    until("his home is back", || async { through.get(&format!("{V3}/account/whoami")).await.status == 200 }).await;
    until("nobody's token is nobody's", || async { unknown.get(&format!("{V3}/account/whoami")).await.status == 401 })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_people_come_in_by_their_own_door_no_token_leads_there() {
    let cluster = world().await;
    let (there, alice) = (cluster.cell("ru1"), cluster.user("eu1", "alice"));
    let lost = showing(there, alice.token.as_ref().unwrap());
    lost.get(&format!("{V3}/account/whoami")).await.fails(401, "M_UNKNOWN_TOKEN");
    // A ticket is not kept for the sake of a login.
    login(there, "alice", PASSWORD).await.fails(403, "M_FORBIDDEN");
    let contents = format!("{:?}", there.contents().await);
    assert!(!contents.contains(alice.id()) && !contents.contains("alice"), "somebody whom nobody there has met");
    // Nor does a cell that asks all the same get in: neither with a password nor with a question.
    let forger = cluster.forger(Some("ru1"), "eu1");
    let password = login_body("alice", PASSWORD);
    let hash = json!({ "beginning": "AAAAAAAAAAA", "nonce": "" });
    let inner = "/_domicile/inner/v1/client/_matrix";
    for (method, path, body, status) in [
        (Method::POST, format!("{inner}/client/v3/login"), Some(&password), 403),
        (Method::POST, format!("{inner}/client/r0/login?x=1"), Some(&password), 403),
        (Method::POST, "/_domicile/inner/v1/door/whose".to_owned(), Some(&hash), 403),
        // Of what is passed here, nothing is other servers' or the operator's.
        (Method::GET, format!("{inner}/key/v2/server"), None, 404),
        (Method::GET, "/_domicile/inner/v1/client/metrics".to_owned(), None, 404),
    ] {
        let asked = Asked { origin: "ru1", serial: 3, number: None, method, path: &path, body };
        let answer = forger.ask(asked).await.unwrap();
        assert_eq!(answer.0, status, "{path}: {}", answer.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_of_one_region_are_doors_of_each_other_and_say_whose_clients_go_where() {
    let cluster = Cluster::of_cells(&[("eu1", "eu"), ("eu2", "eu")], "forbid").await.with_user("eu2", "bob").await;
    let here = cluster.cell("eu1");
    let answer = login(here, "bob", PASSWORD).await.ok();
    assert_eq!(answer["well_known"]["m.homeserver"]["base_url"], "https://eu2.example.org");
    let through = here.with_token(&answer);
    through.get(&format!("{V3}/account/whoami")).await.ok();
    for (cell, address) in [("eu1", "https://eu1.example.org"), ("eu2", "https://eu2.example.org")] {
        let told = cluster.cell(cell).anonymous().get("/.well-known/matrix/client").await.ok();
        assert_eq!(told["m.homeserver"]["base_url"], address);
    }
    // A login token of his home opens a session through this door as well; a made-up one is bad.
    let bad =
        here.anonymous().post(&format!("{V3}/login"), &json!({ "type": "m.login.token", "token": "made up" })).await;
    assert!(bad.status.is_client_error(), "{}", bad.status);
}

/// Lets somebody go from `eu1`, up to where their home is the other cell and the old one has not erased them yet. No time passes.
async fn leave(cluster: &Cluster, user: &TestUser, to: &str) {
    let moves = &cluster.cell("eu1").moves;
    moves.order(Order { to: Target::Cell(to.to_owned()), ..order(user, "eu") }).await.unwrap();
    for _ in 0..20 {
        if moves.step_of(user.user_id.as_ref().unwrap()).await.unwrap().state == State::Left.word() {
            return;
        }
    }
    panic!("{} does not leave", user.id());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moves_goes_on_at_the_door_of_a_third_cell() {
    let cells = [("eu1", "eu"), ("eu2", "eu"), ("eu3", "eu")];
    let cluster = Cluster::of_cells(&cells, "forbid").await.with_user("eu1", "bob").await;
    let (bob, door, whoami) = (cluster.user("eu1", "bob"), cluster.cell("eu3"), format!("{V3}/account/whoami"));
    let through = door.with_token(&login(door, "bob", PASSWORD).await.ok());
    assert_eq!(through.get(&whoami).await.ok()["user_id"], bob.id());
    let room = through.post(&format!("{V3}/createRoom"), &json!({})).await.ok()["room_id"].as_str().unwrap().to_owned();
    let mut said = vec![say(&through, &room, "before").await];
    leave(&cluster, &bob, "eu2").await;
    // The door still believes that he is at home where he was, and is told better with the first request.
    said.push(say(&through, &room, "after").await);
    let answer = through.get(&whoami).await;
    assert!(answer.headers.get("x-domicile-moved").is_none(), "that is between cells");
    assert_eq!(answer.ok()["user_id"], bob.id());
    finish(&cluster, "eu1", &bob).await;
    assert_eq!(read(&through, &room).await, said);
    // Nor does it go wrong when what the door knows has grown old.
    cluster.pass(20 * 60_000);
    through.get(&whoami).await.ok();
    through.post(&format!("{V3}/logout"), &json!({})).await.ok();
    let told = through.get(&whoami).await.fails(401, "M_UNKNOWN_TOKEN");
    assert!(told.get("soft_logout").is_none(), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moves_to_where_no_door_leads_keeps_their_keys() {
    let cells = [("eu1", "eu"), ("eu2", "eu"), ("ru1", "ru")];
    let cluster = Cluster::of_cells(&cells, "encrypted_only").await.with_user("eu1", "bob").await;
    let (bob, door, whoami) = (cluster.user("eu1", "bob"), cluster.cell("eu2"), format!("{V3}/account/whoami"));
    let through = door.with_token(&login(door, "bob", PASSWORD).await.ok());
    through.get(&whoami).await.ok();
    leave(&cluster, &bob, "ru1").await;
    let told = through.get(&whoami).await.fails(401, "M_UNKNOWN_TOKEN");
    assert!(told["error"].as_str().unwrap().contains("ru1.example.org"), "{told}");
    assert_eq!(told["soft_logout"], true, "{told}");
    // Requests that come after it are not told otherwise.
    for _ in 0..2 {
        assert_eq!(through.get(&whoami).await.fails(401, "M_UNKNOWN_TOKEN")["soft_logout"], true);
        cluster.pass(20 * 60_000);
    }
    finish(&cluster, "eu1", &bob).await;
}

/// What somebody reads who signs in to their own page at a cell.
async fn page_after(at: &TestServer, name: &str, password: &str) -> (u16, String) {
    let shown = at.anonymous().request(Request::get("/account/en").body(Body::empty()).unwrap()).await;
    let held = shown.headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let token = held.split_once('=').unwrap().1;
    let form = serde_html_form::to_string([("form_token", token), ("name", name), ("password", password)]).unwrap();
    let request = Request::post("/account/en/login")
        .header(header::COOKIE, &held)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form));
    let answer = at.anonymous().request(request.unwrap()).await;
    (answer.status.as_u16(), String::from_utf8(answer.bytes.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn at_another_cell_only_the_right_password_shows_the_way_home() {
    let cluster = world().await;
    let (here, bob) = (cluster.cell("eu1"), cluster.user("ru1", "bob"));
    let devices = async || bob.get(&format!("{V3}/devices")).await.ok()["devices"].as_array().unwrap().len();
    let before = devices().await;
    let (status, page) = page_after(here, "bob", PASSWORD).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("href=\"https://ru1.example.org/account/en\""), "{page}");
    assert_eq!(devices().await, before, "no session is left");
    // Whoever does not know it reads what is read of a name that nobody has; the name that was typed is in the page.
    let wrong =
        |page: &str, name: &str| page.replace(name, "NAME").split("name=\"form_token\"").next().unwrap().to_owned();
    let (status, nobody) = page_after(here, "carol", "wrong").await;
    assert_eq!(status, 403);
    let nobody = wrong(&nobody, "carol");
    let (status, page) = page_after(here, "bob", "wrong").await;
    assert_eq!((status, wrong(&page, "bob")), (403, nobody.clone()));
    cluster.pass(60_000);
    cluster.cut();
    let (status, page) = page_after(here, "bob", PASSWORD).await;
    assert_eq!((status, wrong(&page, "bob")), (403, nobody.clone()), "his home is away");
    cluster.heal();
    // Alice's region lets its people in by their own door alone: elsewhere her password is of no use, right or wrong.
    let there = cluster.cell("ru1");
    let (_, nobody) = page_after(there, "carol", PASSWORD).await;
    for password in [PASSWORD, "wrong"] {
        let (status, page) = page_after(there, "alice", password).await;
        assert_eq!((status, wrong(&page, "alice")), (403, wrong(&nobody, "carol")));
        assert!(!page.contains("eu1"), "{page}");
        cluster.pass(60_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_the_name_of_their_region() {
    let mut cluster = Cluster::of_cells(&[("eu1", "eu"), ("eu2", "eu"), ("ru1", "ru")], "encrypted_only").await;
    Box::pin(cluster.rewrite("code = \"eu\"\n", "code = \"eu\"\nprovider = \"eu.chat.example.org\"\n")).await;
    Box::pin(cluster.rewrite("code = \"ru\"\n", "code = \"ru\"\nprovider = \"north.chat.example.org\"\n")).await;
    let admin = async |cell: &str, path: &str, body: Value| {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let routes = domicile_http::admin::routes(cluster.cell(cell).admin.clone());
        let answer = tower::ServiceExt::oneshot(routes, request).await.unwrap();
        let bytes = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    };
    let made = admin("ru1", "/_domicile/admin/v1/users", json!({ "user": "dmitri", "password": PASSWORD })).await;
    assert_eq!(made["sign_in_link"], "https://north.chat.example.org/sign-in?name=dmitri", "{made}");
    assert_eq!(made["sign_in_server"], "north.chat.example.org");
    // A token is good at the cell that gave it, which the region's name need not lead to.
    let token = admin("ru1", "/_domicile/admin/v1/tokens", json!({ "token": "t1" })).await;
    assert_eq!(token["sign_in_link"], "https://north.chat.example.org/sign-in?token=t1", "the only cell of its region");
    let token = admin("eu2", "/_domicile/admin/v1/tokens", json!({ "token": "t2" })).await;
    assert_eq!(token["sign_in_link"], "https://eu2.example.org/sign-in?token=t2", "{token}");
    let page = async |path: &str| {
        let answer = cluster.cell("eu2").anonymous().request(Request::get(path).body(Body::empty()).unwrap()).await;
        String::from_utf8(answer.bytes.to_vec()).unwrap()
    };
    let account = page("/sign-in/en?name=carol").await;
    assert!(account.contains(">eu.chat.example.org<") && account.contains(">north.chat.example.org<"), "{account}");
    let token = page("/sign-in/en?token=t2").await;
    assert!(token.contains(">eu2.example.org<") && !token.contains(">eu.chat.example.org<"), "{token}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_to_a_door_is_bounded() {
    let cluster = world().await;
    let here = cluster.cell("eu1");
    let big = json!({ "type": "m.login.password", "user": "bob", "password": "x".repeat(3 << 20) });
    here.anonymous().post(&format!("{V3}/login"), &big).await.fails(413, "M_TOO_LARGE");
    // What is too large at home is too large here.
    let through = here.with_token(&login(here, "bob", PASSWORD).await.ok());
    let path = format!("{V3}/user/{}/account_data/x", through.id());
    let said = json!({ "a": "x".repeat(2 << 20) });
    let refused = through.put(&path, &said).await;
    assert_eq!(refused.status, 413, "{:?}", refused.bytes.len());
    for nonsense in ["", "{", "[]", "7", "{\"type\":\"m.login.password\"}", "{\"type\":[]}"] {
        let answer = here.anonymous().send(Method::POST, &format!("{V3}/login"), nonsense).await;
        assert!(answer.status.is_client_error(), "{nonsense}: {}", answer.status);
    }
    // Whoever tries tokens that nobody knows is slowed down, and does not have every cell asked for ever.
    cluster.hold();
    let mut last = 401;
    for number in 0..=100 {
        let unknown = showing(here, &format!("madeup{number}"));
        last = unknown.get(&format!("{V3}/account/whoami")).await.status.as_u16();
    }
    assert_eq!(last, 429);
    through.get(&format!("{V3}/account/whoami")).await.ok();
}
