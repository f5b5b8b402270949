//! A cell was revoked: its people get another home by the root key's word, and by nothing less.

use domicile_app::{accounts::lifecycle::EndSessions, moves::LetGo};
use domicile_testkit::{cluster::Cluster, server::TestUser};
use serde_json::json;

use crate::{V3, read, say, shared, two, until};

async fn sign_in(cluster: &Cluster, user: &TestUser) -> TestUser {
    let server = cluster.cell("eu1");
    let user_id = user.user_id.as_ref().unwrap();
    server
        .admin
        .accounts
        .set_password(user_id, "a new one of twenty letters".to_owned(), EndSessions::All)
        .await
        .unwrap();
    let login = json!({
        "type": "m.login.password", "password": "a new one of twenty letters",
        "identifier": { "type": "m.id.user", "user": user.id() },
    });
    server.with_token(&server.anonymous().post(&format!("{V3}/login"), &login).await.ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_their_home_gets_another_and_is_in_their_rooms() {
    let mut cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let bob_id = bob.user_id.clone().unwrap();
    let room = shared(&alice, &bob).await;
    let mut said = vec![say(&bob, &room, "one").await];
    until("alice reads it", || async { read(&alice, &room).await == said }).await;

    // While his home is at work, it alone can let him go.
    let refused = cluster.cell("eu1").moves.emergency(&bob_id).await.unwrap_err().to_string();
    assert!(refused.contains("is at work"), "{refused}");
    cluster.revoke("ru1").await;
    let alice = cluster.user("eu1", "alice");
    let wanted = cluster.cell("eu1").moves.emergency(&bob_id).await.unwrap();
    assert_eq!((wanted.from.as_str(), wanted.to.as_str(), wanted.epoch), ("ru1", "eu1", 2));

    // Neither the cell's own key nor that of another root moves him, and nothing that was signed for somebody else or elsewhere.
    let moves = &cluster.cell("eu1").moves;
    let signed = wanted.sign(cluster.root()).unwrap();
    let elsewhere = LetGo { to: "ru1".to_owned(), ..signed.clone() };
    let somebody = LetGo { user_id: ruma::user_id!("@alice:example.org").to_owned(), ..signed.clone() };
    for wrong in
        [wanted.sign(cluster.key("ru1")).unwrap(), wanted.sign(cluster.key("eu1")).unwrap(), elsewhere, somebody]
    {
        assert!(moves.rescue(&wrong).await.is_err(), "{wrong:?}");
    }
    assert!(cluster.cell("eu1").admin.homes.user_num(&bob_id).await.unwrap().is_none());

    moves.rescue(&signed).await.unwrap();
    moves.rescue(&signed).await.unwrap();
    let bob = sign_in(&cluster, &bob).await;
    let sync = bob.get(&format!("{V3}/sync")).await.ok();
    assert!(sync["rooms"]["join"].as_object().unwrap().contains_key(&room), "{sync}");
    assert_eq!(read(&bob, &room).await, said);
    said.push(say(&bob, &room, "two").await);
    said.push(say(&alice, &room, "three").await);
    assert_eq!(read(&alice, &room).await, said);
    assert_eq!(read(&bob, &room).await, said);
    // One device, and nothing of those that he had in the home that is no more.
    let devices = bob.get(&format!("{V3}/devices")).await.ok();
    assert_eq!(devices["devices"].as_array().unwrap().len(), 1, "{devices}");
    let audit = cluster.cell("eu1").admin.evidence.audits.run().await.unwrap();
    assert_eq!(audit.document["body"]["foreign"]["rows"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_a_revoked_cell_is_not_free_at_its_heir() {
    let cells = [("eu1", "eu"), ("eu2", "eu"), ("ru1", "ru")];
    let mut cluster = Cluster::of_cells(&cells, "encrypted_only").await.with_user("ru1", "bob").await;
    cluster.revoke_to("ru1", "eu2").await;
    let anyone = cluster.cell("eu2").anonymous();
    // Who asks for him lets the heir learn of him, which makes nobody's home of it.
    anyone.get(&format!("{V3}/profile/@bob:example.org")).await;
    let bob = ruma::user_id!("@bob:example.org");
    assert!(!cluster.cell("eu2").services.users.is_local(bob));
    let taken =
        json!({ "username": "bob", "password": "correct horse battery staple", "auth": { "type": "m.login.dummy" } });
    anyone.post(&format!("{V3}/register"), &taken).await.fails(400, "M_USER_IN_USE");
    assert!(cluster.cell("eu2").admin.homes.user_num(bob).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heir_of_a_home_can_be_the_next_one() {
    let mut cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let bob_id = bob.user_id.clone().unwrap();
    let room = shared(&alice, &bob).await;
    cluster.revoke_to("ru1", "eu1").await;
    let moves = &cluster.cell("eu1").moves;
    let signed = moves.emergency(&bob_id).await.unwrap().sign(cluster.root()).unwrap();
    moves.rescue(&signed).await.unwrap();
    assert!(cluster.cell("eu1").services.users.is_local(&bob_id));
    let bob = sign_in(&cluster, &bob).await;
    let said = vec![say(&bob, &room, "one").await];
    assert_eq!(read(&cluster.user("eu1", "alice"), &room).await, said);
}
