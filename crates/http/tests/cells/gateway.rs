//! Other people's servers and a deployment of two cells, of which the first is the gateway: they see one server.

use axum::http::Method;
use domicile_testkit::{
    cluster::{Cluster, Request},
    identity,
    server::{Settings, TestServer, TestUser},
    tap::Tap,
};
use serde_json::{Value, json};

use crate::{V3, read, say, state, until};

/// Two cells with alice in the first and bob in the second, which others reach, and another server with eve.
async fn world() -> (Cluster, TestServer) {
    let cluster = Cluster::with_gateway(&["eu", "ru"], "allow", "allow").await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let settings = Settings { tells: true, ..Settings::default() };
    let there = TestServer::federating_with(settings).await.with_user("eve").await;
    (cluster, there)
}

async fn room(by: &TestUser, invited: &[&TestUser]) -> String {
    let invited: Vec<&str> = invited.iter().map(|user| user.id()).collect();
    let body = json!({ "preset": "private_chat", "invite": invited });
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned()
}

/// Joins as soon as the invite is there.
async fn join(by: &TestUser, room: &str) {
    until("the invite comes", || async {
        let sync = by.get(&format!("{V3}/sync")).await.ok();
        sync["rooms"]["invite"].get(room).is_some()
    })
    .await;
    by.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
}

async fn members(by: &TestUser, room: &str) -> usize {
    let members = by.get(&format!("{V3}/rooms/{room}/joined_members")).await.json();
    members["joined"].as_object().map_or(0, serde_json::Map::len)
}

/// Whether all of some people have read these messages, in any order.
async fn all_read(people: &[&TestUser], room: &str, said: &[String]) -> bool {
    for by in people {
        let read = read(by, room).await;
        if !said.iter().all(|id| read.contains(id)) || read.len() != said.len() {
            return false;
        }
    }
    true
}

/// Nothing that the other server has says that there are cells.
async fn says_nothing_of_cells(there: &TestServer) {
    let contents = format!("{:?}", there.contents().await);
    // Within a hash or a signature, three letters are chance.
    let is_base64 =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric() || "+/".contains(letter));
    for word in ["cell_", "eu1", "ru1", "cell.invalid"] {
        let mut found = contents.match_indices(word);
        let at = found.find(|(at, _)| {
            !is_base64(contents[..*at].chars().next_back()) || !is_base64(contents[at + word.len()..].chars().next())
        });
        assert!(at.is_none(), "`{word}`: …{:?}…", contents.get(at.unwrap().0.saturating_sub(200)..at.unwrap().0 + 100));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_both_cells_and_of_another_server_talk() {
    let (cluster, there) = world().await;
    let (alice, bob, eve) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"), there.user("eve"));
    let people = [&alice, &bob, &eve];
    // A room of the deployment's.
    let ours = room(&alice, &[&bob, &eve]).await;
    join(&bob, &ours).await;
    join(&eve, &ours).await;
    // And one of the other server's.
    let theirs = room(&eve, &[&alice, &bob]).await;
    join(&alice, &theirs).await;
    join(&bob, &theirs).await;
    for (index, room) in [&ours, &theirs].into_iter().enumerate() {
        until("each sees the others", || async {
            members(&alice, room).await == 3 && members(&bob, room).await == 3 && members(&eve, room).await == 3
        })
        .await;
        let mut said = Vec::new();
        for round in 0..3 {
            for (by, name) in [(&alice, "alice"), (&bob, "bob"), (&eve, "eve")] {
                said.push(say(by, room, &format!("{name}-{index}-{round}")).await);
            }
        }
        until("each reads all, each once", || all_read(&people, room, &said)).await;
        assert_eq!(state(&alice, room).await, state(&eve, room).await);
        assert_eq!(state(&bob, room).await, state(&eve, room).await);
    }
    says_nothing_of_cells(&there).await;
    // Who leaves is gone everywhere.
    bob.post(&format!("{V3}/rooms/{theirs}/leave"), &json!({})).await.ok();
    eve.post(&format!("{V3}/rooms/{ours}/leave"), &json!({})).await.ok();
    until("both are gone", || async {
        members(&alice, &theirs).await == 2 && members(&eve, &theirs).await == 2 && members(&bob, &ours).await == 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_accepts_an_invite_before_the_other_cell_has_heard_of_it_is_let_in() {
    let cluster = Cluster::with_gateway(&["eu", "ru"], "allow", "allow").await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let (alice, bob, tap) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"), Tap::start().await);
    let (gateway, room) = (cluster.cell("eu1"), tap.room("11"));
    let room_id = room.room_id();
    alice.post(&format!("{V3}/join/{room_id}?via={}", tap.name()), &json!({})).await.ok();
    let closed = room.state("eve", "m.room.join_rules", "", &json!({ "join_rule": "invite" }));
    tap.send(gateway, "t1", &[closed], &[]).await.ok();
    let invite = room.invite("eve", bob.id().try_into().unwrap());
    let told = json!({ "room_version": "11", "event": invite, "invite_room_state": [] });
    let path = format!("/_matrix/federation/v2/invite/{room_id}/{}", room.id_of(&invite));
    let signed = tap.ask(gateway, Method::PUT, &path, Some(&told)).await.ok()["event"].clone();
    until("the invite comes", || async {
        bob.get(&format!("{V3}/sync")).await.ok()["rooms"]["invite"].get(room_id.as_str()).is_some()
    })
    .await;
    let (join, no_body) = (format!("{V3}/join/{room_id}"), json!({}));
    let (joined, ()) = tokio::join!(bob.post(&join, &no_body), async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        tap.send(gateway, "t2", &[signed], &[]).await.ok();
    });
    joined.ok();
    assert_eq!(members(&alice, room_id.as_str()).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_profiles_and_messages_to_devices_go_both_ways() {
    let (cluster, there) = world().await;
    let (alice, bob, eve) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"), there.user("eve"));
    let room = room(&eve, &[&alice, &bob]).await;
    join(&alice, &room).await;
    join(&bob, &room).await;
    for by in [&alice, &bob, &eve] {
        let keys = json!({
            "device_keys": identity::device(by.id(), &by.device_id),
            "one_time_keys": { "signed_curve25519:AAAA": { "key": "once", "signatures": {} } },
        });
        by.post(&format!("{V3}/keys/upload"), &keys).await.ok();
        let name = format!("{V3}/profile/{}/displayname", by.id());
        by.put(&name, &json!({ "displayname": format!("name of {}", by.id()) })).await.ok();
    }
    // Of both cells in one question, and the other way from each cell.
    for (asker, asked) in [(&eve, vec![&alice, &bob]), (&alice, vec![&eve]), (&bob, vec![&eve])] {
        let wanted: Value =
            asked.iter().map(|user| (user.id().to_owned(), json!([]))).collect::<serde_json::Map<_, _>>().into();
        until("the keys are found", || async {
            let found = asker.post(&format!("{V3}/keys/query"), &json!({ "device_keys": wanted })).await.ok();
            asked.iter().all(|user| found["device_keys"][user.id()][&user.device_id]["keys"].is_object())
        })
        .await;
        for user in &asked {
            let profile = asker.get(&format!("{V3}/profile/{}", user.id())).await.ok();
            assert_eq!(profile["displayname"], format!("name of {}", user.id()));
            let message = json!({ "messages": { user.id(): { &user.device_id: { "secret": asker.id() } } } });
            asker.put(&format!("{V3}/sendToDevice/m.room.encrypted/{}", user.device_id), &message).await.ok();
            until("the message is in the inbox", || async {
                let sync = user.get(&format!("{V3}/sync")).await.ok();
                sync["to_device"]["events"].to_string().contains(&format!("\"secret\":\"{}\"", asker.id()))
            })
            .await;
        }
    }
    let claim = json!({ "one_time_keys": {
        alice.id(): { &alice.device_id: "signed_curve25519" }, bob.id(): { &bob.device_id: "signed_curve25519" } } });
    let claimed = eve.post(&format!("{V3}/keys/claim"), &claim).await.ok();
    for user in [&alice, &bob] {
        let key = &claimed["one_time_keys"][user.id()][&user.device_id]["signed_curve25519:AAAA"]["key"];
        assert_eq!(key, "once", "{claimed}");
    }
    says_nothing_of_cells(&there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_cell_is_cut_off_nothing_is_lost_and_the_gateway_can_read_none_of_it() {
    let (cluster, there) = world().await;
    let (bob, eve) = (cluster.user("ru1", "bob"), there.user("eve"));
    let room = room(&eve, &[&bob]).await;
    join(&bob, &room).await;
    let mut said = vec![say(&eve, &room, "before").await];
    until("bob reads it", || async { all_read(&[&bob], &room, &said).await }).await;
    cluster.cut();
    for index in 0..3 {
        said.push(say(&eve, &room, &format!("while-cut-{index}")).await);
    }
    let message = json!({ "messages": { bob.id(): { &bob.device_id: { "secret": "while it was cut" } } } });
    eve.put(&format!("{V3}/sendToDevice/m.room.encrypted/t1"), &message).await.ok();
    until("the gateway keeps it", || async { cluster.cell("eu1").spooled().await >= 2 }).await;
    let stored = format!("{:?}", cluster.cell("eu1").contents().await);
    assert!(!stored.contains("while-cut") && !stored.contains("while it was cut"), "the gateway can read it");
    // What bob says meanwhile waits in his cell.
    said.push(say(&bob, &room, "from-inside").await);
    cluster.heal();
    there.clock.advance(30 * 60_000);
    said.push(say(&eve, &room, "after").await);
    said.push(say(&bob, &room, "after-from-inside").await);
    until("both have read all", || async {
        // Whoever found the border closed a moment ago is left alone for a while.
        cluster.pass(60_000);
        there.clock.advance(60_000);
        all_read(&[&bob, &eve], &room, &said).await
    })
    .await;
    until("the message to a device came once", || async {
        let sync = bob.get(&format!("{V3}/sync")).await.ok();
        sync["to_device"]["events"].to_string().matches("while it was cut").count() == 1
    })
    .await;
    until("nothing is kept any more", || async { cluster.cell("eu1").spooled().await == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_keeps_outlives_the_key_for_which_it_is_sealed() {
    let (mut cluster, there) = world().await;
    let (bob, eve) = (cluster.user("ru1", "bob"), there.user("eve"));
    let room = room(&eve, &[&bob]).await;
    join(&bob, &room).await;
    cluster.cut();
    let message = json!({ "messages": { bob.id(): { &bob.device_id: { "secret": "for the key before" } } } });
    eve.put(&format!("{V3}/sendToDevice/m.room.encrypted/t1"), &message).await.ok();
    let said = vec![say(&eve, &room, "while-cut").await];
    until("the gateway keeps it", || async { cluster.cell("eu1").spooled().await >= 2 }).await;
    cluster.rotate("ru1");
    cluster.renew("eu1").await;
    cluster.renew("ru1").await;
    cluster.heal();
    let bob = cluster.user("ru1", "bob");
    until("nothing is kept any more", || async {
        cluster.pass(60_000);
        cluster.cell("eu1").spooled().await == 0
    })
    .await;
    until("bob has all of it", || async {
        let sync = bob.get(&format!("{V3}/sync")).await.ok();
        let letters = sync["to_device"]["events"].to_string();
        letters.contains("for the key before") && all_read(&[&bob], &room, &said).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_servers_see_one_list_of_keys_and_one_signature() {
    let cluster = Cluster::with_gateway(&["eu", "ru"], "allow", "allow").await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let (bob, tap) = (cluster.user("ru1", "bob"), Tap::start().await);
    let gateway = cluster.cell("eu1");
    let keys = gateway.anonymous().get("/_matrix/key/v2/server").await.ok();
    assert_eq!(keys["server_name"], cluster.name().as_str());
    assert_eq!(keys["verify_keys"].as_object().unwrap().len(), 1, "{keys}");
    let now_ms = domicile_testkit::server::START_MS;
    let good_ms = keys["valid_until_ts"].as_i64().unwrap() - now_ms;
    assert!((1..=12 * 3_600_000).contains(&good_ms), "hours, not days: {good_ms}");
    assert_eq!(
        cluster.cell("ru1").anonymous().get("/_matrix/key/v2/server").await.status,
        404,
        "a cell that is no gateway has nothing to say to others"
    );

    let room = tap.room("11");
    let room_id = room.room_id();
    bob.post(&format!("{V3}/join/{room_id}?via={}", tap.name()), &json!({})).await.ok();
    let asked = say(&bob, room_id.as_str(), "hello").await;
    let sent =
        || tap.heard().into_iter().filter(|heard| heard.path.contains("/send/") && heard.body["pdus"][0].is_object());
    until("the message comes", || async { sent().next().is_some() }).await;
    let mut events: Vec<Value> = sent().flat_map(|heard| heard.body["pdus"].as_array().unwrap().clone()).collect();
    events.extend(tap.heard().into_iter().filter(|heard| heard.path.contains("/send_join/")).map(|heard| heard.body));
    assert!(events.len() >= 2);
    let key_id = keys["verify_keys"].as_object().unwrap().keys().next().unwrap();
    for event in events {
        let ours = event["signatures"][cluster.name().as_str()].as_object().unwrap();
        assert_eq!(ours.keys().collect::<Vec<_>>(), [key_id], "{event}");
    }
    // What the deployment is asked for comes signed in the same way, and no error tells of cells.
    let state = format!("/_matrix/federation/v1/state/{room_id}?event_id={asked}");
    for (expected, path) in [
        (200, state),
        (200, format!("/_matrix/federation/v1/query/profile?user_id={}", bob.id())),
        (404, format!("/_matrix/federation/v1/query/profile?user_id=@nobody:{}", cluster.name())),
        (404, format!("/_matrix/federation/v1/make_join/!nowhere:{}/{}", cluster.name(), tap.user("eve"))),
        (200, format!("/_matrix/federation/v1/user/devices/{}", bob.id())),
        (404, "/_matrix/federation/v1/event/$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned()),
        (200, "/_matrix/federation/v1/publicRooms".to_owned()),
        (401, "/_matrix/federation/v1/openid/userinfo?access_token=x".to_owned()),
        (404, "/_matrix/federation/v1/media/download/nothing".to_owned()),
        (200, "/_matrix/federation/v1/version".to_owned()),
    ] {
        let answer = tap.ask(gateway, Method::GET, &path, None).await;
        let told = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.bytes));
        assert_eq!(answer.status, expected, "{path}: {told}");
        for word in ["eu1", "ru1", "cell", "region", "gateway", "domicile-"] {
            assert!(!told.contains(word), "{path}: {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_cell_says_nothing_outside_for_people_of_others() {
    let cluster = Cluster::with_gateway(&["eu", "ru"], "allow", "allow").await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let (alice, bob, tap) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"), Tap::start().await);
    let room = tap.room("11");
    let room_id = room.room_id();
    alice.post(&format!("{V3}/join/{room_id}?via={}", tap.name()), &json!({})).await.ok();
    let real = say(&alice, room_id.as_str(), "real").await;
    let event_id = ruma::OwnedEventId::try_from(real.as_str()).unwrap();
    let stored = cluster.cell("eu1").services.sender.events().by_id(&event_id).await.unwrap().unwrap();
    let like: Value = serde_json::from_slice(stored.pdu.json()).unwrap();
    until("the message comes", || async { tap.heard().iter().any(|heard| heard.path.contains("/send/")) }).await;

    let forger = cluster.forger(Some("ru1"), "eu1");
    let ask = async |method: Method, path: String, body: Option<&Value>| {
        let escaped =
            path.replace('%', "%25").replace('$', "%24").replace('&', "%26").replace('?', "%3F").replace('=', "%3D");
        let path = format!(
            "/_domicile/inner/v1/gateway/ask?to={}&method={method}&path={escaped}&signed=true&time=10000&bytes=1000000",
            tap.name()
        );
        let request = Request { origin: "ru1", serial: 3, number: None, method: Method::POST, path: &path, body };
        forger.ask(request).await.unwrap()
    };
    // A message, typing and a device in alice's name: the events are left out, and of what passes nothing is passed.
    let heard = tap.heard().len();
    let transaction = json!({ "origin": cluster.name(), "origin_server_ts": 1, "pdus": [forger.event(&like, alice.id())], "edus": [
        { "edu_type": "m.typing", "content": { "room_id": room_id, "user_id": alice.id(), "typing": true } },
        { "edu_type": "m.device_list_update", "content": { "user_id": alice.id(), "device_id": "X", "stream_id": 1 } },
        { "edu_type": "m.typing", "content": { "room_id": room_id, "user_id": bob.id(), "typing": true } },
    ] });
    let (status, answer) = ask(Method::PUT, "/_matrix/federation/v1/send/t1".to_owned(), Some(&transaction)).await;
    assert_eq!(status, 200, "{answer}");
    let last = tap.heard().into_iter().skip(heard).find(|heard| heard.path.contains("/send/")).unwrap();
    assert_eq!(last.body["pdus"], json!([]), "{}", last.body);
    assert_eq!(last.body["edus"].as_array().unwrap().len(), 1, "{}", last.body);
    assert_eq!(last.body["edus"][0]["content"]["user_id"], bob.id());
    // It makes alice neither join nor leave, and reads no room in which only she is.
    let heard = tap.heard().len();
    for (method, path) in [
        (Method::GET, format!("/_matrix/federation/v1/make_leave/{room_id}/{}", alice.id())),
        (Method::GET, format!("/_matrix/federation/v1/make_join/{room_id}/{}", alice.id())),
        (Method::GET, format!("/_matrix/federation/v1/state_ids/{room_id}?event_id={real}")),
        (Method::GET, format!("/_matrix/federation/v1/backfill/{room_id}?limit=10&v={real}")),
    ] {
        let (status, answer) = ask(method, path.clone(), None).await;
        assert_eq!(status, 403, "{path}: {answer}");
    }
    assert_eq!(tap.heard().len(), heard, "the other server heard none of it");
    let message = room.id_of(&room.message("eve", "for alice"));
    let (status, answer) = ask(Method::GET, format!("/_matrix/federation/v1/event/{message}"), None).await;
    assert_eq!(status, 403, "one event of such a room is not handed on either: {answer}");
    // Nor does it answer for others: only what gateways pass on counts, and it is none.
    let path =
        format!("/_domicile/inner/v1/for/{}/_matrix/federation/v1/query/profile?user_id={}", tap.name(), alice.id());
    let request = Request { origin: "ru1", serial: 3, number: None, method: Method::GET, path: &path, body: None };
    assert_eq!(forger.ask(request).await.unwrap().0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shared_with_other_servers_is_the_regions_rule() {
    for rule in ["forbid", "encrypted_only"] {
        let cluster = Cluster::with_gateway(&["eu", "ru"], "allow", rule).await;
        let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
        let (alice, bob, tap) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"), Tap::start().await);
        let room = tap.room("11");
        let plain = room.room_id();
        for by in [&alice, &bob] {
            let refused = by.post(&format!("{V3}/join/{plain}?via={}", tap.name()), &json!({})).await;
            let told = refused.json()["error"].as_str().unwrap().to_owned();
            assert_eq!(refused.status, 403, "{told}");
            assert!(told.contains("service's rules"), "{told}");
        }
        let profile = format!("/_matrix/federation/v1/query/profile?user_id={}", bob.id());
        let answer = tap.ask(cluster.cell("eu1"), Method::GET, &profile, None).await;
        if rule == "forbid" {
            // That somebody is there whom the rules do not let be known is nobody else's to hear.
            assert_eq!(answer.status, 404);
            assert_eq!(answer.json()["error"], format!("There is no user {} here.", bob.id()));
            assert!(tap.heard().iter().all(|heard| !heard.path.contains("/send_join/")), "nobody came in");
            continue;
        }
        assert_eq!(answer.status, 200);
        // Who came in and may not be there has left again.
        let came = tap.heard().iter().filter(|heard| heard.path.contains("/send_join/")).count();
        let left = tap.heard().iter().filter(|heard| heard.path.contains("/send_leave/")).count();
        assert_eq!((came, left), (2, 2));
        room.state("eve", "m.room.encryption", "", &json!({ "algorithm": "m.megolm.v1.aes-sha2" }));
        bob.post(&format!("{V3}/join/{plain}?via={}", tap.name()), &json!({})).await.ok();
        let path = format!("{V3}/rooms/{plain}/send/m.room.message/t1");
        let refused = bob.put(&path, &json!({ "msgtype": "m.text", "body": "in the clear" })).await;
        assert_eq!(refused.status, 403, "{}", refused.json());
        say(&bob, plain.as_str(), "encrypted").await;
    }
}
