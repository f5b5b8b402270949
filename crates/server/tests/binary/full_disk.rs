//! The disk of the cell to which somebody moves is full: the move waits and says so, and it ends when there is room. Until somebody is let go they go on
//! where they were; afterwards they wait, and are told so. Whoever is at home there is told why nothing of theirs is stored.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use domicile_testkit::plays::cells::{Cell, Deployment, Plan};
use serde_json::{Value, json};

use super::{
    Answer, PROGRAM, V3, ask, text,
    watched::{Watched, move_of, to_be_watched},
};

/// What the disk holds.
const SIZE: &str = "size=160m";
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(200);
/// Messages of somebody, as many as the disk does not take in any more; and as many settings, of which no small part fits where others were.
const MESSAGES: usize = 150;
/// What is said of the disk of the cell to which somebody moves, and of the one on which somebody is at home.
const FULL: &str = "the disk of the other cell, ch1, is full: make room on it, and this goes on by itself";
const FULL_HERE: &str = "The disk of this server is full";

/// A small disk in memory, at a folder. It is gone when it is dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(at).status().unwrap();
        assert!(mounted.success(), "mounting takes root, with CAP_SYS_ADMIN");
        Self(at.to_owned())
    }

    /// Takes all the room that there is.
    fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).unwrap();
        // In ever smaller pieces, to the last page.
        for size in [1 << 20, 1 << 12] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg("--lazy").arg(&self.0).status().ok();
    }
}

struct Person {
    token: String,
    id: String,
}

impl Person {
    fn register(cell: &Cell, name: &str) -> Self {
        let body = json!({ "auth": { "type": "m.login.dummy" }, "username": name, "password": "a long password" });
        let session = ask(&cell.clients.to_string(), "POST", &format!("{V3}/register"), "", &body);
        assert_eq!(session.status, 200, "{session:?}");
        Self { token: text(&session.body, "access_token").to_owned(), id: text(&session.body, "user_id").to_owned() }
    }

    fn asks(&self, cell: &Cell, method: &str, path: &str, body: &Value) -> Answer {
        ask(&cell.clients.to_string(), method, &format!("{V3}/{path}"), &self.token, body)
    }

    fn does(&self, cell: &Cell, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.asks(cell, method, path, body);
        assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        answer.body
    }

    fn says(&self, cell: &Cell, room: &str, number: usize) {
        let body = json!({ "msgtype": "m.text", "body": format!("number {number} {}", "x".repeat(60_000)) });
        self.does(cell, "PUT", &format!("rooms/{room}/send/m.room.message/t{number}"), &body);
    }
}

/// Waits until somebody's move is as it should be.
#[expect(clippy::disallowed_methods, reason = "how long it takes is the machine's own time")]
fn until(cell: &Cell, person: &Person, is_so: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let shown = move_of(cell, &person.id);
        if is_so(&shown) {
            return shown;
        }
        assert!(began.elapsed() < PATIENCE && shown["ended_ts"].is_null(), "it is not as it should be: {shown}");
        sleep(PAUSE);
    }
}

fn order(cell: &Cell, person: &Person) {
    let words = ["move", &person.id, "--to", "ch", "--no-wait", "--as", "the test", "--reason", "a test"];
    cell.json(&words).unwrap();
}

/// What the operator reads who asks how moves stand, in either way.
fn tells(cell: &Cell, person: &Person, what: &str) {
    for arguments in [&["move", "--list"][..], &["move", "--status", &person.id]] {
        let told = cell.run(arguments).unwrap();
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(told.contains(FULL) && told.contains(what), "{arguments:?}: {told}");
    }
}

fn audited(deployment: &Deployment) {
    for (name, cell) in deployment.cells() {
        let audit = cell.json(&["audit"]).unwrap();
        assert_eq!(audit["body"]["passed"], true, "{name}: {}", audit["body"]["foreign"]);
    }
}

/// Two cells, the second of which has a small disk.
fn found(folder: &Path) -> (Disk, Deployment) {
    let disk = Disk::mount(&folder.join("ch1").join("data"));
    let plan = Plan { cells: &[("eu1", "eu"), ("ch1", "ch")], rule: "allow", ..Plan::default() };
    (disk, Deployment::found(Path::new(PROGRAM), folder, &plan).unwrap())
}

/// Somebody whose home has no room any more is told so, of whatever they want to have stored. What is there is there.
fn is_told_of(cell: &Cell, person: &Person) {
    let path = "/_matrix/media/v3/upload?filename=file";
    let file = ask(&cell.clients.to_string(), "POST", path, &person.token, &json!("x".repeat(1_000_000)));
    let data = json!({ "x": "x".repeat(60_000) });
    let setting =
        |n: usize| person.asks(cell, "PUT", &format!("user/{}/account_data/org.example.{n}", person.id), &data);
    // What the engine has written ahead before leaves some room.
    let setting = (0..MESSAGES * 10).map(setting).find(|answer| answer.status != 200).unwrap();
    for answer in [file, setting] {
        assert_eq!((answer.status, text(&answer.body, "errcode")), (507, "ORG.DOMICILE.DISK_FULL"), "{answer:?}");
        assert!(text(&answer.body, "error").starts_with(FULL_HERE), "{answer:?}");
    }
    person.does(cell, "GET", "account/whoami", &Value::Null);
}

#[test]
fn a_full_disk_at_the_destination_holds_a_move_up_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, mut deployment) = found(folder.path());
    let (eu, ch) = (deployment.cell("eu1").unwrap(), deployment.cell("ch1").unwrap());
    let (alice, carol) = (Person::register(eu, "alice"), Person::register(ch, "carol"));
    let room = text(&alice.does(eu, "POST", "createRoom", &json!({})), "room_id").to_owned();
    (0..MESSAGES).for_each(|number| alice.says(eu, &room, number));
    disk.fill();
    order(eu, &alice);
    let told = until(eu, &alice, |shown| shown["attempts"].as_i64() > Some(1));
    assert_eq!((&told["state"], &told["error"]), (&json!("copying"), &json!(FULL)), "nothing was handed over");
    tells(eu, &alice, "copying");
    // She goes on where she was.
    alice.does(eu, "GET", "account/whoami", &Value::Null);
    alice.says(eu, &room, MESSAGES);
    is_told_of(ch, &carol);
    disk.empty();
    until(eu, &alice, |shown| shown["state"] == "done");
    let past = alice.does(ch, "GET", &format!("rooms/{room}/messages?dir=b&limit=200"), &Value::Null);
    let bodies = past["chunk"].as_array().unwrap().iter().filter_map(|event| event["content"]["body"].as_str());
    let mut numbers: Vec<usize> = bodies.map(|body| body.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..=MESSAGES).collect::<Vec<_>>(), "every message once");
    audited(&deployment);
    // Whoever had no room to write is whole, and starts again.
    let cell = deployment.cell_mut("ch1").unwrap();
    cell.stop().unwrap();
    cell.start().unwrap();
    let ch = deployment.cell("ch1").unwrap();
    for person in [alice, carol] {
        person.does(ch, "GET", "account/whoami", &Value::Null);
    }
}

#[test]
fn who_was_let_go_waits_for_room_on_the_disk_of_their_new_home() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, mut deployment) = found(folder.path());
    let disk = Arc::new(disk);
    to_be_watched(deployment.cell_mut("eu1").unwrap());
    let (eu, ch) = (deployment.cell("eu1").unwrap(), deployment.cell("ch1").unwrap());
    let filled = Arc::clone(&disk);
    // The vault is there, and nobody has asked yet that it be opened.
    let _running = Watched::start(eu, move |line| {
        if (line.of.as_str(), line.what.as_str()) == ("handed_over", "is next") {
            filled.fill();
        }
    });
    let alice = Person::register(eu, "alice");
    let data = |number: usize| json!({ "number": number, "x": "x".repeat(60_000) });
    let at = |number: usize| format!("user/{}/account_data/org.example.{number}", alice.id);
    for number in 0..MESSAGES {
        alice.does(eu, "PUT", &at(number), &data(number));
    }
    order(eu, &alice);
    let told = until(eu, &alice, |shown| shown["attempts"].as_i64() > Some(1));
    let between = "nobody serves them: their apps are told to wait";
    assert_eq!(told["state"], "issued", "{told}");
    assert_eq!(told["error"], format!("{FULL}. Until then {between}"));
    tells(eu, &alice, between);
    // Their client is told to come again, and nothing by which it would sign out.
    let waits = alice.asks(eu, "GET", "account/whoami", &Value::Null);
    assert_eq!((waits.status, &waits.body["retry_after_ms"]), (503, &json!(2_000)), "{waits:?}");
    assert!(text(&waits.body, "error").contains("nothing is lost"), "{waits:?}");
    disk.empty();
    until(eu, &alice, |shown| shown["state"] == "done");
    for number in 0..MESSAGES {
        assert_eq!(alice.does(ch, "GET", &at(number), &Value::Null), data(number));
    }
    alice.does(eu, "GET", "account/whoami", &Value::Null);
    audited(&deployment);
}
