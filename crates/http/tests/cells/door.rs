//! Who comes to another cell than their home: passed through where its region lets people in by any door, and told where to go where it does not.

use domicile_testkit::server::{PASSWORD, TestUser};
use serde_json::{Value, json};

use crate::{V3, read, say, shared, two, until};

fn login(name: &str, password: &str) -> Value {
    json!({ "type": "m.login.password", "identifier": { "type": "m.id.user", "user": name }, "password": password })
}

/// Alice's region lets people in by their own door alone, bob's by any.
async fn world() -> domicile_testkit::cluster::Cluster {
    let mut cluster = two().await;
    Box::pin(cluster.rewrite("code = \"ru\"\n", "code = \"ru\"\nfront_door = \"any\"\n")).await;
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_passed_through_to_their_home() {
    let cluster = world().await;
    let (here, alice, bob) = (cluster.cell("eu1"), cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let answer = here.anonymous().post(&format!("{V3}/login"), &login("bob", PASSWORD)).await.ok();
    assert_eq!(answer["user_id"], bob.id());
    assert_eq!(answer["well_known"]["m.homeserver"]["base_url"], "https://ru1.example.org", "{answer}");
    // With the token of his home he does here what he does there, until his client goes there.
    let through: TestUser = here.with_token(&answer);
    let whoami = through.get(&format!("{V3}/account/whoami")).await.ok();
    assert_eq!(whoami["user_id"], bob.id());
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
    assert!(polled.ok().to_string().contains(&third) || read(&through, &room).await.contains(&third));
    // Nothing of him is kept here: neither a session nor a device.
    let contents = format!("{:?}", here.contents().await);
    assert!(!contents.contains(&through.device_id), "a device of somebody else's");
    through.post(&format!("{V3}/logout"), &json!({})).await.ok();
    assert_eq!(through.get(&format!("{V3}/account/whoami")).await.status, 401);
    // A wrong password is wrong by whatever door.
    here.anonymous().post(&format!("{V3}/login"), &login("bob", "wrong")).await.fails(403, "M_FORBIDDEN");
    cluster.cut();
    let away = here.anonymous().post(&format!("{V3}/login"), &login("bob", PASSWORD)).await;
    assert_eq!(away.status, 504, "{}", away.json());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_people_come_in_by_their_own_door_they_are_told_where_it_is() {
    let cluster = world().await;
    let (there, alice) = (cluster.cell("ru1"), cluster.user("eu1", "alice"));
    let told = there.anonymous().post(&format!("{V3}/login"), &login(alice.id(), PASSWORD)).await;
    let told = told.fails(403, "M_FORBIDDEN");
    assert!(told["error"].as_str().unwrap().contains("https://eu1.example.org"), "{told}");
    // Her token is nobody's there, and who is nobody gets the answer of a wrong password.
    let lost = TestUser { token: alice.token.clone(), ..there.anonymous() };
    lost.get(&format!("{V3}/account/whoami")).await.fails(401, "M_UNKNOWN_TOKEN");
    let nobody = there.anonymous().post(&format!("{V3}/login"), &login("nobody", PASSWORD)).await;
    let wrong = there.anonymous().post(&format!("{V3}/login"), &login("bob", "wrong")).await;
    assert_eq!((nobody.status, nobody.json()), (wrong.status, wrong.json()));
}
