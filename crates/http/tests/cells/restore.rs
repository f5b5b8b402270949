//! A cell is restored from a backup beside others, and catches up before it serves anybody.

use axum::http::Method;
use domicile_app::{
    accounts::lifecycle::EndSessions,
    evidence::access_log::Operator,
    moves::{Order, Target},
    restore::Step,
};
use domicile_testkit::{
    cluster::Cluster,
    server::{Backup, PASSWORD, TestServer, TestUser},
};
use serde_json::{Value, json};

use crate::{
    V3,
    moves::{finish, order},
    read, say, shared, until,
};

async fn back_up(cluster: &Cluster, cell: &str, folder: &tempfile::TempDir) -> Backup {
    cluster.cell(cell).back_up(folder.path()).await
}

async fn sign_in(server: &TestServer, user: &TestUser, password: &str) -> TestUser {
    let login = json!({
        "type": "m.login.password", "password": password, "device_id": user.device_id,
        "identifier": { "type": "m.id.user", "user": user.id() },
    });
    server.with_token(&server.anonymous().post(&format!("{V3}/login"), &login).await.ok())
}

async fn move_to(cluster: &Cluster, from: &str, user: &TestUser, to: &str) {
    let to = Target::Cell(to.to_owned());
    cluster.cell(from).moves.order(Order { to, ..order(user, "") }).await.unwrap();
    let shown = finish(cluster, from, user).await;
    assert_eq!(shown.state, "done", "{shown:#?}");
}

async fn foreign(cluster: &Cluster, cell: &str) -> Value {
    let audit = cluster.cell(cell).admin.evidence.audits.run().await.unwrap();
    audit.document["body"]["foreign"].clone()
}

fn home(cluster: &Cluster, cell: &str, user: &TestUser) -> String {
    let tickets = &cluster.cell(cell).services.users.localities().cells().unwrap().tickets;
    tickets.home(user.user_id.as_ref().unwrap()).unwrap().as_str().to_owned()
}

const NEW_PASSWORD: &str = "another one of twenty letters";

/// A picture that is kept, and asked for, in parts.
fn picture() -> Vec<u8> {
    b"carol's picture ".repeat(600_000)
}

/// Two cells, of which `ru1` is restored from a backup that is older than all of what happens.
struct Scene {
    cluster: Cluster,
    alice: TestUser,
    bob: TestUser,
    /// Moves in.
    carol: TestUser,
    /// Moves out.
    dora: TestUser,
    /// Is erased.
    erik: TestUser,
    room: String,
    /// Dora's own room, and what she said there.
    alone: (String, String),
    /// A room that bob joins after the backup.
    later: String,
    said: Vec<String>,
    said_later: Vec<String>,
    picture: String,
    /// Bob's sync token, which is younger than the backup.
    since: String,
}

fn one_time_key(id: &str) -> Value {
    json!({ "one_time_keys": { format!("signed_curve25519:{id}"): { "key": id, "signatures": {} } } })
}

/// What a claim of somebody's one-time key gives.
async fn claim(by: &TestUser, of: &TestUser) -> String {
    let wanted = json!({ "one_time_keys": { of.id(): { of.device_id.clone(): "signed_curve25519" } } });
    by.post(&format!("{V3}/keys/claim"), &wanted).await.ok().to_string()
}

impl Scene {
    /// As it is when the backup is made, and the backup.
    async fn prepare(folder: &tempfile::TempDir) -> (Self, TestUser, Backup) {
        let cluster = Cluster::of(&["eu", "ru"]).await.with_user("eu1", "alice").await.with_user("eu1", "carol").await;
        let cluster = cluster.with_user("ru1", "bob").await.with_user("ru1", "dora").await;
        let cluster = cluster.with_user("ru1", "erik").await;
        let (alice, carol) = (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"));
        let (bob, dora, erik) = (cluster.user("ru1", "bob"), cluster.user("ru1", "dora"), cluster.user("ru1", "erik"));
        let room = shared(&alice, &bob).await;
        let said = vec![say(&bob, &room, "one").await];
        until("alice reads it", || async { read(&alice, &room).await == said }).await;
        // A room of hers alone, which goes with her.
        let body = json!({ "preset": "private_chat" });
        let hers = dora.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned();
        let said_alone = say(&dora, &hers, "alone").await;
        bob.post(&format!("{V3}/keys/upload"), &one_time_key("AAAA")).await.ok();
        let stolen = cluster.cell("ru1").login("bob").await;
        let secret = format!("{V3}/user/{}/account_data/org.example.secret", erik.id());
        erik.put(&secret, &json!({ "planted": 1 })).await.ok();
        let setting = format!("{V3}/user/{}/account_data/org.example.setting", carol.id());
        carol.put(&setting, &json!({ "a": 1 })).await.ok();
        carol.post(&format!("{V3}/keys/upload"), &one_time_key("CCCC")).await.ok();
        let picture = carol.send(Method::POST, "/_matrix/media/v3/upload", picture()).await.ok();
        let picture = picture["content_uri"].as_str().unwrap().trim_start_matches("mxc://").to_owned();
        let backup = back_up(&cluster, "ru1", folder).await;
        let (later, said_later, since) = (String::new(), Vec::new(), String::new());
        let alone = (hers, said_alone);
        let scene =
            Self { cluster, alice, bob, carol, dora, erik, room, alone, later, said, said_later, picture, since };
        (scene, stolen, backup)
    }

    /// One key is handed out, one person leaves and one comes, one is erased, a device and a password go, and people talk.
    async fn go_on(&mut self, stolen: &TestUser) {
        let Self { cluster, alice, bob, room, .. } = &*self;
        assert!(claim(alice, bob).await.contains("AAAA"));
        move_to(cluster, "ru1", &self.dora, "eu1").await;
        move_to(cluster, "eu1", &self.carol, "ru1").await;
        let (server, by) = (cluster.cell("ru1"), Operator { name: "ada".to_owned(), uid: None });
        server.services.erasures.erase(self.erik.user_id.as_ref().unwrap(), by, "asked".to_owned()).await.unwrap();
        let bob_id = bob.user_id.as_ref().unwrap();
        let bob_num = server.services.users.num(bob_id).await.unwrap().unwrap();
        server.services.devices.remove(bob_num, &[stolen.device_id.as_str().into()]).await.unwrap();
        server.admin.accounts.set_password(bob_id, NEW_PASSWORD.to_owned(), EndSessions::None).await.unwrap();
        let mut said = self.said.clone();
        said.push(say(alice, room, "two").await);
        until("bob reads it", || async { read(bob, room).await == said }).await;
        said.push(say(bob, room, "three").await);
        let later = shared(alice, bob).await;
        let said_later = vec![say(alice, &later, "four").await];
        until("both read all", || async {
            read(alice, room).await == said && read(bob, room).await == said && read(bob, &later).await == said_later
        })
        .await;
        let since = bob.get(&format!("{V3}/sync")).await.ok()["next_batch"].as_str().unwrap().to_owned();
        assert!(server.services.keeper.tell().await.unwrap() >= 3, "words are left with the other cell");
        (self.later, self.said, self.said_later, self.since) = (later, said, said_later, since);
    }

    /// The restored cell lets nobody in and says so, until it has done all.
    async fn opens(&mut self) {
        let server = self.cluster.cell("ru1");
        let refused = at(server, &self.bob).get(&format!("{V3}/sync")).await;
        assert_eq!(refused.status, 503);
        assert!(refused.json()["error"].as_str().unwrap().contains("restored from a backup"), "{}", refused.json());
        assert!(refused.headers.contains_key("retry-after"));
        server.admin.standing.status.refresh().await.unwrap();
        let page = server.anonymous().get("/status/en").await;
        assert!(String::from_utf8_lossy(&page.bytes).contains("restored from a backup"));
        self.said.push(say(&self.alice, &self.room, "five").await);
        assert!(server.admin.restorer.attempt().await.unwrap(), "{:#?}", server.admin.restorer.shown().await.unwrap());
        assert!(!server.admin.restorer.shown().await.unwrap().fenced);
    }

    /// Nobody has two homes, or none, and nothing is where it must not be.
    async fn homes_are_one(&self) {
        for (user, at) in [(&self.alice, "eu1"), (&self.bob, "ru1"), (&self.carol, "ru1"), (&self.dora, "eu1")] {
            let known = (home(&self.cluster, "eu1", user), home(&self.cluster, "ru1", user));
            assert_eq!(known, (at.to_owned(), at.to_owned()), "{}", user.id());
        }
        for cell in ["eu1", "ru1"] {
            let found = foreign(&self.cluster, cell).await;
            assert_eq!(found["rows"], 0, "{cell}: {found:#}");
        }
        let erased = self.cluster.cell("ru1").is_erased(self.erik.user_id.as_ref().unwrap()).await;
        assert!(erased, "the erasure was done again");
    }

    /// Bob is told to sign in again and to keep his keys; what was revoked stays so, no key is given twice, and he has what was said.
    async fn bob_goes_on(&mut self) {
        let server = self.cluster.cell("ru1");
        let told = at(server, &self.bob).get(&format!("{V3}/account/whoami")).await.fails(401, "M_UNKNOWN_TOKEN");
        assert_eq!(told["soft_logout"], true, "{told}");
        let old = json!({
            "type": "m.login.password", "password": PASSWORD,
            "identifier": { "type": "m.id.user", "user": self.bob.id() },
        });
        server.anonymous().post(&format!("{V3}/login"), &old).await.fails(403, "M_FORBIDDEN");
        let bob = sign_in(server, &self.bob, NEW_PASSWORD).await;
        let all = bob.get(&format!("{V3}/devices")).await.ok();
        assert_eq!(all["devices"].as_array().unwrap().len(), 1, "the device that was removed is gone: {all}");
        assert!(!claim(&self.alice, &bob).await.contains("AAAA"), "a key is given twice");
        let sync = bob.get(&format!("{V3}/sync?since={}", self.since)).await.ok();
        assert_eq!(sync["device_one_time_keys_count"]["signed_curve25519"].as_i64().unwrap_or_default(), 0);
        let shown = &sync["rooms"]["join"];
        assert_eq!(shown[&self.room]["timeline"]["limited"], true, "a token of what was lost gets all anew: {sync}");
        assert!(shown.as_object().unwrap().contains_key(&self.later), "a room that was joined since is there");
        bob.post(&format!("{V3}/keys/upload"), &one_time_key("BBBB")).await.ok();
        assert!(claim(&self.alice, &bob).await.contains("BBBB"));
        until("bob has read what was said meanwhile", || async {
            read(&bob, &self.room).await.len() == self.said.len()
        })
        .await;
        let (mut there, mut here) = (read(&bob, &self.room).await, self.said.clone());
        there.sort_unstable();
        here.sort_unstable();
        assert_eq!(there, here, "each once");
        assert_eq!(read(&bob, &self.later).await, self.said_later);
        self.bob = bob;
    }

    /// Who has come is there with what is theirs, and who has left is gone.
    async fn those_who_moved_go_on(&self) {
        let server = self.cluster.cell("ru1");
        let carol = sign_in(server, &self.carol, PASSWORD).await;
        let setting = carol.get(&format!("{V3}/user/{}/account_data/org.example.setting", carol.id())).await.ok();
        assert_eq!(setting["a"], 1);
        let file = carol.get(&format!("/_matrix/client/v1/media/download/{}", self.picture)).await;
        assert_eq!((file.status.as_u16(), file.bytes == picture()), (200, true));
        let claimed = claim(&self.alice, &carol).await;
        assert!(!claimed.contains("CCCC"), "what she brought may have been handed out since: {claimed}");
        at(server, &self.dora).get(&format!("{V3}/account/whoami")).await.fails(401, "M_UNKNOWN_TOKEN");
        let (dora, (hers, said)) = (at(self.cluster.cell("eu1"), &self.dora), &self.alone);
        dora.get(&format!("{V3}/sync")).await.ok();
        assert_eq!(read(&dora, hers).await, std::slice::from_ref(said));
        until("the copy of her room is gone where she was", || async {
            self.cluster.pass(61_000);
            server.moves.run_due().await.unwrap();
            server.services.sender.rooms().num(hers.as_str().try_into().unwrap()).await.unwrap().is_none()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_cell_knows_what_it_missed_before_it_opens() {
    let folder = tempfile::tempdir().unwrap();
    let (mut scene, stolen, backup) = Scene::prepare(&folder).await;
    scene.go_on(&stolen).await;
    scene.cluster.restore("ru1", &backup).await;
    scene.opens().await;
    scene.homes_are_one().await;
    scene.bob_goes_on().await;
    scene.those_who_moved_go_on().await;
    // Who was not let in while it was fenced comes again.
    scene.cluster.pass(61_000);
    let from_bob = say(&scene.bob, &scene.room, "six").await;
    until("alice reads what bob says", || async { read(&scene.alice, &scene.room).await.contains(&from_bob) }).await;
    let from_alice = say(&scene.alice, &scene.room, "seven").await;
    until("bob reads what alice says", || async { read(&scene.bob, &scene.room).await.contains(&from_alice) }).await;
    scene.homes_are_one().await;
    let names = &scene.cluster.cell("eu1").services.users.localities().cells().unwrap().names;
    names.check_log().await.unwrap();
}

/// The same session at a cell.
fn at(server: &TestServer, user: &TestUser) -> TestUser {
    let token = user.token.clone().unwrap();
    server.with_token(&json!({ "user_id": user.id(), "device_id": user.device_id, "access_token": token }))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deciding_cell_learns_again_what_it_had_decided() {
    let cluster = Cluster::of(&["eu", "ru"]).await.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let folder = tempfile::tempdir().unwrap();
    let backup = back_up(&cluster, "eu1", &folder).await;
    let mut cluster = cluster.with_user("ru1", "zoe").await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    move_to(&cluster, "ru1", &bob, "eu1").await;
    assert_eq!(home(&cluster, "ru1", &bob), "eu1");

    cluster.restore("eu1", &backup).await;
    assert!(!cluster.cell("eu1").admin.restorer.attempt().await.unwrap(), "it waits for the tickets of the other cell");
    let state = cluster.cell("eu1").admin.restorer.shown().await.unwrap().state.unwrap();
    assert!(state.steps[&Step::Directory].error.as_ref().unwrap().contains("domicile directory present"), "{state:?}");
    let presented = cluster.cell("ru1").services.users.localities().cells().unwrap().names.present_all().await.unwrap();
    assert_eq!(presented, 2, "zoe, and bob who has left");
    let restorer = &cluster.cell("eu1").admin.restorer;
    assert!(restorer.attempt().await.unwrap(), "{:#?}", restorer.shown().await.unwrap());
    let server = cluster.cell("eu1");
    let names = &server.services.users.localities().cells().unwrap().names;
    assert_eq!(names.check_log().await.unwrap(), 4, "three names and a transfer");
    let taken = json!({ "username": "zoe", "password": PASSWORD, "auth": { "type": "m.login.dummy" } });
    server.anonymous().post(&format!("{V3}/register"), &taken).await.fails(400, "M_USER_IN_USE");
    // He had come since, and is back.
    let bob = sign_in(server, &bob, PASSWORD).await;
    bob.get(&format!("{V3}/sync")).await.ok();
    assert_eq!((home(&cluster, "eu1", &bob), home(&cluster, "ru1", &bob)), ("eu1".to_owned(), "eu1".to_owned()));
    let alice = sign_in(server, &alice, PASSWORD).await;
    let room = shared(&alice, &cluster.user("ru1", "zoe")).await;
    say(&alice, &room, "on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_is_not_reached_is_named_and_can_be_given_up_on() {
    let mut cluster = Cluster::of(&["eu", "ru", "us"]).await.with_user("eu1", "alice").await;
    let folder = tempfile::tempdir().unwrap();
    let backup = back_up(&cluster, "ru1", &folder).await;
    cluster.restore("ru1", &backup).await;
    cluster.cut_off("us1");
    let restorer = &cluster.cell("ru1").admin.restorer;
    assert!(!restorer.attempt().await.unwrap());
    let state = restorer.shown().await.unwrap().state.unwrap();
    let words = &state.steps[&Step::Words];
    assert!(words.cells.contains("eu1") && words.error.as_ref().unwrap().contains("us1"), "{words:?}");
    assert!(cluster.cell("ru1").services.fence.is_up());
    let wrong = restorer.give_up_on(vec!["ru1".to_owned()], "ada".to_owned(), String::new()).await;
    assert!(wrong.is_err_and(|error| error.to_string().contains("none of the other cells")));
    restorer.give_up_on(vec!["us1".to_owned()], "ada".to_owned(), "it burnt down".to_owned()).await.unwrap();
    assert!(restorer.attempt().await.unwrap());
    let documents = cluster.cell("ru1").admin.evidence.audits.documents().all().unwrap();
    let (.., document) = documents.iter().find(|(.., document)| document["kind"] == "restore").unwrap();
    assert_eq!(document["body"]["without"], json!(["us1"]));
    assert_eq!(document["body"]["lifted"]["reason"], "it burnt down");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_those_who_left_goes_when_their_new_home_has_a_backup() {
    let cluster = Cluster::of(&["eu", "ru"]).await.with_user("eu1", "carol").await;
    let carol = cluster.user("eu1", "carol");
    let picture = carol.send(Method::POST, "/_matrix/media/v3/upload", picture()).await.ok();
    assert!(picture["content_uri"].is_string());
    move_to(&cluster, "eu1", &carol, "ru1").await;
    assert_eq!(cluster.cell("eu1").kept().await, (1, 1));
    let keeper = &cluster.cell("eu1").services.keeper;
    assert_eq!(keeper.let_go().await.unwrap(), 0);
    cluster.pass(1_000);
    let folder = tempfile::tempdir().unwrap();
    back_up(&cluster, "ru1", &folder).await;
    assert_eq!(keeper.let_go().await.unwrap(), 0, "nobody has said yet where the backup lies");
    let backups = &cluster.cell("ru1").admin.backups;
    let number = backups.list().await.unwrap()[0].backup.backup_num;
    assert!(backups.confirm(number + 1, None).await.is_err());
    backups.confirm(number, Some("a safe in Bern, CH")).await.unwrap();
    assert_eq!(keeper.let_go().await.unwrap(), 1);
    assert_eq!(cluster.cell("eu1").kept().await, (0, 0));
    assert_eq!(backups.list().await.unwrap()[0].backup.place, "a safe in Bern, CH");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_alone_is_restored_too() {
    let server = TestServer::start().await.with_user("alice").await.with_user("erik").await;
    let (alice, erik) = (server.user("alice"), server.user("erik"));
    let room = alice.post(&format!("{V3}/createRoom"), &json!({})).await.ok()["room_id"].as_str().unwrap().to_owned();
    let said = vec![say(&alice, &room, "one").await];
    let seen = alice.get(&format!("{V3}/sync")).await.ok()["next_batch"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let backup = server.back_up(folder.path()).await;
    say(&alice, &room, "lost").await;
    let lost = alice.get(&format!("{V3}/sync")).await.ok()["next_batch"].as_str().unwrap().to_owned();
    let by = Operator { name: "ada".to_owned(), uid: None };
    server.services.erasures.erase(erik.user_id.as_ref().unwrap(), by, "asked".to_owned()).await.unwrap();
    // The signed documents are in no backup; here they were kept.
    let kept = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(server.folder().join("evidence")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), kept.path().join(entry.file_name())).unwrap();
    }
    let server = Box::pin(server.restored(&backup)).await;
    let evidence = server.folder().join("evidence");
    std::fs::create_dir_all(&evidence).unwrap();
    for entry in std::fs::read_dir(kept.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), evidence.join(entry.file_name())).unwrap();
    }
    let alice = server.user("alice");
    assert_eq!(alice.get(&format!("{V3}/sync")).await.status, 503);
    assert!(server.admin.restorer.attempt().await.unwrap());
    let told = alice.get(&format!("{V3}/account/whoami")).await.fails(401, "M_UNKNOWN_TOKEN");
    assert_eq!(told["soft_logout"], true, "{told}");
    assert!(server.is_erased(erik.user_id.as_ref().unwrap()).await, "the erasure was done again");
    let alice = sign_in(&server, &alice, PASSWORD).await;
    // A token of what is in the backup goes on where it was; one of what was lost gets everything anew.
    let sync = alice.get(&format!("{V3}/sync?since={seen}")).await.ok();
    assert!(sync["rooms"]["join"].get(&room).is_none(), "nothing is new: {sync}");
    let sync = alice.get(&format!("{V3}/sync?since={lost}")).await.ok();
    assert!(sync["rooms"]["join"][&room]["timeline"].to_string().contains(&said[0]), "{sync}");
    assert_eq!(read(&alice, &room).await, said);
    say(&alice, &room, "two").await;
}
