//! What other servers get from a gateway of three cells: a region that shares nothing with them is not there, a cell is believed of what is its own, and
//! none of them can hold up the rest.

use std::time::Duration;

use axum::http::Method;
use domicile_testkit::{
    cluster::Cluster,
    server::{Answered, TestUser},
    tap::Tap,
};
use serde_json::{Value, json};

use crate::{
    V3,
    media::{self, SECRET},
    shared,
};

const FEDERATION: &str = "/_matrix/federation/v1";

/// Three cells, of which the first is the gateway, with alice, bob and carol.
async fn three(regions: [&str; 3]) -> Cluster {
    let mut cluster = Cluster::with_gateway(&regions, "allow", "allow").await;
    for (region, name) in regions.iter().zip(["alice", "bob", "carol"]) {
        cluster = cluster.with_user(&format!("{region}1"), name).await;
    }
    cluster
}

/// A document by which a region shares with one other server alone.
fn only_partner(document: &str, region: &str) -> String {
    let (before, after) = document.split_once(&format!("code = \"{region}\"")).unwrap();
    let after = after.replacen("outer = \"allow\"", "outer = [\"partner.example\"]", 1);
    Cluster::raised(&format!("{before}code = \"{region}\"{after}"))
}

/// A public room with an alias.
async fn public(by: &TestUser, name: &str) -> String {
    let body = json!({ "preset": "public_chat", "visibility": "public", "name": name, "room_alias_name": name });
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned()
}

/// Uploads something. Gives its id.
async fn upload(by: &TestUser, content: Vec<u8>) -> String {
    let place = media::upload(by, SECRET, content).await;
    place.rsplit('/').next().unwrap().to_owned()
}

/// A token with which somebody proves who they are.
async fn token(by: &TestUser) -> String {
    let answer = by.post(&format!("{V3}/user/{}/openid/request_token", by.id()), &json!({})).await.ok();
    answer["access_token"].as_str().unwrap().to_owned()
}

fn alias(cluster: &Cluster, name: &str) -> String {
    format!("{FEDERATION}/query/directory?room_alias=%23{name}:{}", cluster.name())
}

async fn get(tap: &Tap, cluster: &Cluster, path: &str) -> Answered {
    tap.ask(cluster.cell("eu1"), Method::GET, path, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_shares_nothing_is_as_if_it_were_not_there() {
    let mut cluster = three(["eu", "ch", "us"]).await;
    Box::pin(cluster.change(|document| only_partner(document, "ch"))).await;
    let (bob, carol, tap) = (cluster.user("ch1", "bob"), cluster.user("us1", "carol"), Tap::start().await);
    let rooms = [public(&bob, "cellar").await, public(&carol, "garden").await];
    let files = [upload(&bob, vec![1; 100]).await, upload(&carol, vec![2; 100]).await];
    for by in [&bob, &carol] {
        let keys = domicile_testkit::identity::device(by.id(), &by.device_id);
        by.post(&format!("{V3}/keys/upload"), &json!({ "device_keys": keys })).await.ok();
    }
    let tokens = [token(&bob).await, token(&carol).await];
    // What is in the third cell is found behind the second, which is not asked.
    get(&tap, &cluster, &alias(&cluster, "cellar")).await.fails(404, "M_NOT_FOUND");
    assert_eq!(get(&tap, &cluster, &alias(&cluster, "garden")).await.ok()["room_id"], rooms[1]);
    get(&tap, &cluster, &format!("{FEDERATION}/media/download/{}", files[0])).await.fails(404, "M_NOT_FOUND");
    assert_eq!(get(&tap, &cluster, &format!("{FEDERATION}/media/download/{}", files[1])).await.status, 200);
    let userinfo = |token: &str| format!("{FEDERATION}/openid/userinfo?access_token={token}");
    get(&tap, &cluster, &userinfo(&tokens[0])).await.fails(401, "M_UNKNOWN_TOKEN");
    assert_eq!(get(&tap, &cluster, &userinfo(&tokens[1])).await.ok(), json!({ "sub": carol.id() }));
    let event = get(&tap, &cluster, &format!("{FEDERATION}/event/$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")).await;
    event.fails(404, "M_NOT_FOUND");
    let (mut listed, mut since) = (Vec::new(), String::new());
    for _ in 0..10 {
        let page = get(&tap, &cluster, &format!("{FEDERATION}/publicRooms?limit=10{since}")).await.ok();
        let chunk = page["chunk"].as_array().unwrap();
        listed.extend(chunk.iter().map(|room| room["room_id"].as_str().unwrap().to_owned()));
        match page["next_batch"].as_str() {
            Some(next) => since = format!("&since={next}"),
            None => break,
        }
    }
    assert_eq!(listed, [rooms[1].clone()]);
    // Who lives in the second is told apart from nobody in no way.
    let nobody = format!("@nobody:{}", cluster.name());
    for path in ["query/profile?user_id=", "user/devices/"] {
        let [there, nowhere] = [bob.id(), &nobody].map(|user| (user, format!("{FEDERATION}/{path}{user}")));
        let (mut answers, mut statuses) = (Vec::new(), Vec::new());
        for (user, path) in [there, nowhere] {
            let answer = get(&tap, &cluster, &path).await;
            answers.push(answer.json().to_string().replace(user, "somebody"));
            statuses.push(answer.status.as_u16());
        }
        assert_eq!((&answers[0], statuses[0]), (&answers[1], 404), "{path}");
    }
    let wanted = json!({ "device_keys": { bob.id(): [], carol.id(): [], nobody.as_str(): [] } });
    let path = format!("{FEDERATION}/user/keys/query");
    let found = tap.ask(cluster.cell("eu1"), Method::POST, &path, Some(&wanted)).await.ok();
    assert_eq!(found["device_keys"].as_object().unwrap().keys().collect::<Vec<_>>(), [carol.id()], "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_cell_answers_for_no_alias_and_no_token_of_others() {
    let cluster = three(["eu", "ru", "us"]).await;
    let (bob, carol, tap) = (cluster.user("ru1", "bob"), cluster.user("us1", "carol"), Tap::start().await);
    let (theirs, garden) = (public(&bob, "cellar").await, public(&carol, "garden").await);
    let full = |name: &str| format!("#{name}:{}", cluster.name());
    cluster.pretend_alias("ru1", &full("garden"), &full("cellar")).await;
    assert_eq!(get(&tap, &cluster, &alias(&cluster, "garden")).await.ok()["room_id"], garden);
    assert_eq!(get(&tap, &cluster, &alias(&cluster, "cellar")).await.ok()["room_id"], theirs);
    cluster.pretend_alias("ru1", &full("nothing"), &full("cellar")).await;
    get(&tap, &cluster, &alias(&cluster, "nothing")).await.fails(404, "M_NOT_FOUND");

    // Nobody who wants to know whose a token is signs the question.
    let ask = async |token: &str| {
        let path = format!("{FEDERATION}/openid/userinfo?access_token={token}");
        cluster.cell("eu1").anonymous().get(&path).await
    };
    shared(&carol, &bob).await;
    let (stolen, real) = (token(&bob).await, token(&carol).await);
    assert_eq!(ask(&stolen).await.ok(), json!({ "sub": bob.id() }));
    assert_eq!(ask(&real).await.ok(), json!({ "sub": carol.id() }));
    cluster.pretend_tokens("ru1", carol.id()).await;
    ask(&stolen).await.fails(401, "M_UNKNOWN_TOKEN");
    assert_eq!(ask(&real).await.ok(), json!({ "sub": carol.id() }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_larger_than_an_answer_may_be_comes_whole() {
    let cluster = three(["eu", "ru", "us"]).await;
    let tap = Tap::start().await;
    let content: Vec<u8> = (0..6_000_000_u32).map(|at| at.to_le_bytes()[usize::from(at % 2 == 0)]).collect();
    for (cell, name) in [("eu1", "alice"), ("us1", "carol")] {
        let id = upload(&cluster.user(cell, name), content.clone()).await;
        let answer = get(&tap, &cluster, &format!("{FEDERATION}/media/download/{id}")).await;
        assert_eq!(answer.status, 200, "{cell}");
        assert!(answer.bytes.windows(content.len()).any(|part| part == content), "{cell}: {}", answer.bytes.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_says_nothing_holds_a_transaction_up_once() {
    let cluster = three(["eu", "ru", "us"]).await;
    let tap = Tap::start().await;
    let _silent = cluster.silence("ru1").await;
    let pdus: Vec<Value> = (0..20)
        .map(|number| {
            let room_id = format!("!r{number}:{}", tap.name());
            json!({ "type": "m.room.message", "room_id": room_id, "sender": tap.user("eve"), "content": {} })
        })
        .collect();
    let receipts: serde_json::Map<String, Value> = (0..20)
        .map(|number| {
            let read = json!({ "$e": { "m.read": { tap.user("eve").as_str(): { "event_ids": ["$e"], "data": { "ts": 1 } } } } });
            (format!("!s{number}:{}", tap.name()), read)
        })
        .collect();
    let edus = [json!({ "edu_type": "m.receipt", "content": receipts })];
    let sent = tap.send(cluster.cell("eu1"), "t1", &pdus, &edus);
    tokio::time::timeout(Duration::from_secs(25), sent).await.expect("forty rooms, one after another").ok();
}
