//! Every operation that is served to other servers: the right answer, a wrong signature, a stranger to the room, what does not fit; and that what
//! is refused stores nothing.

use axum::{
    body::Body,
    http::{Method, header::AUTHORIZATION},
};
use domicile_testkit::{
    operations::{
        Values,
        peers::{self, PeerOperation},
    },
    server::TestServer,
};
use serde_json::json;

use crate::together::{V3, get, let_in, png, room, say, upload};

/// What a server with a member in the room is answered, and what a stranger is, where that is always the same.
fn expected(name: &str) -> Option<(u16, u16)> {
    Some(match name {
        "getEventAuth"
        | "backfillRoom"
        | "getMissingPreviousEvents"
        | "getEvent"
        | "getRoomState"
        | "getRoomStateIds"
        // Who is in the room already needs no invitation, and nobody may speak for users of others.
        | "exchangeThirdPartyInvite"
        | "getEventByTimestamp" => (200, 403),
        "getContent"
        | "getContentThumbnail"
        | "getPublicRooms"
        | "queryPublicRooms"
        | "queryRoomDirectory"
        | "queryProfile" => (200, 200),
        // A room that nobody of the other server could get into is none.
        "getSpaceHierarchy" => (200, 404),
        "queryInfo" => (404, 404),
        _ => return None,
    })
}

struct Scene {
    there: TestServer,
    member: TestServer,
    stranger: TestServer,
    values: Values,
}

impl Scene {
    async fn new() -> Self {
        let there = TestServer::start_federating().await.with_user("alice").await;
        let (member, stranger) = (TestServer::start_federating().await, TestServer::start_federating().await);
        let alice = there.user("alice");
        let room = room(
            &alice,
            json!({ "preset": "private_chat", "initial_state": [
            { "type": "m.room.join_rules", "state_key": "", "content": { "join_rule": "public" } },
        ] }),
        )
        .await;
        let alias = format!("%23here:{}", there.name());
        alice.put(&format!("{V3}/directory/room/{alias}"), &json!({ "room_id": room })).await.ok();
        let other = format!("@bob:{}", member.name());
        let_in(&there, &room, &other).await;
        let rules = format!("{V3}/rooms/{room}/state/m.room.join_rules");
        alice.put(&rules, &json!({ "join_rule": "invite" })).await.ok();
        let event = say(&alice, &room, "hello").await;
        let media = upload(&alice, png(64), "image/png").await;
        let values = [
            ("roomId", room.as_str()),
            ("eventId", &event),
            ("userId", alice.id()),
            ("other", &other),
            ("roomAlias", &alias),
            ("mediaId", &media),
            ("txnId", "t"),
            ("queryType", "weather"),
            ("serverName", there.name().as_str()),
            ("origin", member.name().as_str()),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        // Keys are fetched at a server's first request.
        for from in [&member, &stranger] {
            get(from, &there, "/_matrix/federation/v1/query/nothing").await.fails(404, "M_UNRECOGNIZED");
        }
        Self { there, member, stranger, values: values.into() }
    }

    async fn ask(&self, from: &TestServer, operation: &PeerOperation, uri: &str) -> u16 {
        let body = operation.body(&self.values);
        let request = from.sign(&self.there.name(), operation.method.clone(), uri, body.as_ref());
        self.there.anonymous().request(request).await.status.as_u16()
    }
}

#[tokio::test]
async fn every_operation_answers_members_and_refuses_strangers() {
    let scene = Box::pin(Scene::new()).await;
    for operation in peers::served().into_iter().filter(|operation| operation.signed) {
        let Some((member, stranger)) = expected(&operation.name) else { continue };
        let uri = operation.uri(&scene.values);
        let before = scene.there.contents().await;
        let refused = scene.ask(&scene.stranger, &operation, &uri).await;
        assert_eq!((operation.name.as_str(), refused), (operation.name.as_str(), stranger), "a stranger");
        if stranger >= 400 {
            assert_eq!(before.difference(&scene.there.contents().await), "", "{} of a stranger", operation.name);
        }
        let answered = scene.ask(&scene.member, &operation, &uri).await;
        assert_eq!((operation.name.as_str(), answered), (operation.name.as_str(), member), "a member");
    }
}

#[tokio::test]
async fn no_operation_is_answered_without_a_right_signature() {
    let scene = Box::pin(Scene::new()).await;
    let before = scene.there.contents().await;
    for operation in peers::served().into_iter().filter(|operation| operation.signed) {
        let uri = operation.uri(&scene.values);
        let body = operation.body(&scene.values);
        let good = || scene.member.sign(&scene.there.name(), operation.method.clone(), &uri, body.as_ref());
        let mut none = good();
        none.headers_mut().remove(AUTHORIZATION);
        let mut of_another = good();
        let other = scene.member.sign(&scene.there.name(), Method::GET, "/_matrix/federation/v1/other", None);
        of_another.headers_mut().insert(AUTHORIZATION, other.headers()[AUTHORIZATION].clone());
        let token = format!("Bearer {}", scene.there.user("alice").token.unwrap());
        let mut of_a_user = good();
        of_a_user.headers_mut().insert(AUTHORIZATION, token.parse().unwrap());
        for request in [none, of_another, of_a_user] {
            let answer = scene.there.anonymous().request(request).await;
            assert_eq!((operation.name.as_str(), answer.status.as_u16()), (operation.name.as_str(), 401));
            answer.fails(401, "M_UNAUTHORIZED");
        }
    }
    assert_eq!(before.difference(&scene.there.contents().await), "");
}

#[tokio::test]
async fn what_does_not_fit_is_told_so() {
    let scene = Box::pin(Scene::new()).await;
    let before = scene.there.contents().await;
    for operation in peers::served() {
        let mut uris: Vec<String> = Vec::new();
        for parameter in ["roomId", "eventId", "userId"] {
            if operation.has(parameter) {
                let mut values = scene.values.clone();
                values.insert(parameter, "nonsense".to_owned());
                uris.push(operation.uri(&values));
            }
        }
        let path = operation.uri(&scene.values).split('?').next().unwrap().to_owned();
        uris.extend(operation.misfits().iter().map(|query| format!("{path}?{query}")));
        for uri in uris {
            let told = scene.ask(&scene.member, &operation, &uri).await;
            assert_eq!((uri.as_str(), told), (uri.as_str(), 400), "{}", operation.name);
        }
        if operation.method == Method::GET {
            continue;
        }
        let uri = operation.uri(&scene.values);
        for (body, as_json) in [("[]", Some(json!([]))), ("{\"a\"", None), ("\u{0}", None)] {
            let mut request = scene.member.sign(&scene.there.name(), operation.method.clone(), &uri, as_json.as_ref());
            *request.body_mut() = Body::from(body);
            let told = scene.there.anonymous().request(request).await.status.as_u16();
            assert_eq!((operation.name.as_str(), body, told), (operation.name.as_str(), body, 400));
        }
    }
    assert_eq!(before.difference(&scene.there.contents().await), "");
}
