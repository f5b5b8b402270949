//! A cell is emptied and retired: its people are at home at the heir, and what it signed still counts.

use domicile_app::moves::{Order, Target};
use domicile_testkit::cluster::Cluster;
use serde_json::json;

use crate::{
    V3,
    moves::{finish, order},
    read, say, shared, until,
};

#[tokio::test(flavor = "multi_thread")]
async fn people_of_a_retired_cell_go_on_at_its_heir() {
    let cells = [("eu1", "eu"), ("ru1", "ru"), ("ru2", "ru")];
    let cluster = Cluster::of_cells(&cells, "encrypted_only").await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("eu1", "carol").await;
    let mut cluster = cluster.with_user("ru1", "bob").await.with_user("ru1", "erik").await;
    let (alice, bob, erik) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"), cluster.user("ru1", "erik"));
    let room = shared(&alice, &bob).await;
    let mut said = vec![say(&bob, &room, "one").await];
    until("alice reads it", || async { read(&alice, &room).await == said }).await;
    let picture = bob.send(axum::http::Method::POST, "/_matrix/media/v3/upload", vec![0x9c; 64]).await.ok();
    let picture = picture["content_uri"].as_str().unwrap().trim_start_matches("mxc://").to_owned();
    // One account was ended; its name stays where the heir answers for it.
    cluster.cell("ru1").admin.accounts.deactivate(erik.user_id.as_ref().unwrap(), false).await.unwrap();
    let to = Target::Cell("ru2".to_owned());
    cluster.cell("ru1").moves.order(Order { to, ..order(&bob, "") }).await.unwrap();
    finish(&cluster, "ru1", &bob).await;
    cluster.retire("ru1", "ru2").await;

    // The same token at the heir, to which the old address leads now.
    let bob = cluster.cell("ru2").with_token(
        &json!({ "user_id": bob.id(), "device_id": bob.device_id, "access_token": bob.token.clone().unwrap() }),
    );
    let (alice, carol) = (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"));
    assert_eq!(read(&bob, &room).await, said);
    let file = bob.get(&format!("/_matrix/client/v1/media/download/{picture}")).await;
    assert_eq!((file.status.as_u16(), file.bytes.len()), (200, 64));
    said.push(say(&bob, &room, "two").await);
    said.push(say(&alice, &room, "three").await);
    until("both read all", || async { read(&alice, &room).await.len() == 3 && read(&bob, &room).await.len() == 3 })
        .await;
    // Who joins now is told what the retired cell signed, and believes it.
    alice.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": carol.id() })).await.ok();
    carol.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let tickets = |cell: &str| {
        let cells = cluster.cell(cell).services.users.localities().cells().unwrap();
        cells.tickets.home(bob.user_id.as_ref().unwrap()).unwrap().as_str().to_owned()
    };
    assert_eq!((tickets("eu1"), tickets("ru2")), ("ru2".to_owned(), "ru2".to_owned()));
    for cell in ["eu1", "ru2"] {
        let audit = cluster.cell(cell).admin.evidence.audits.run().await.unwrap();
        assert_eq!(audit.document["body"]["foreign"]["rows"], 0, "{cell}");
    }
    // A name of the retired cell is nobody else's.
    let taken =
        json!({ "username": "erik", "password": "correct horse battery staple", "auth": { "type": "m.login.dummy" } });
    for cell in ["eu1", "ru2"] {
        // Also where somebody has asked for them before.
        let anyone = cluster.cell(cell).anonymous();
        anyone.get(&format!("{V3}/profile/{}", erik.id())).await;
        anyone.post(&format!("{V3}/register"), &taken).await.fails(400, "M_USER_IN_USE");
    }
}
