//! The disk of the cell to which somebody moves is full: the move waits and says so, the person goes on where they were, and it ends when there is room.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use domicile_testkit::plays::cells::{Cell, Deployment, Plan};
use serde_json::{Value, json};

use super::{Answer, PROGRAM, V3, ask, text};

/// What the disk holds.
const SIZE: &str = "size=160m";
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(200);
/// Messages of somebody, as many as the disk does not take in any more.
const MESSAGES: usize = 150;

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

/// How somebody's move stands.
fn standing(cell: &Cell, person: &Person) -> Value {
    cell.json(&["move", "--status", &person.id]).unwrap()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is the machine's own time")]
fn a_full_disk_at_the_destination_holds_a_move_up_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::mount(&folder.path().join("ch1").join("data"));
    let plan = Plan { cells: &[("eu1", "eu"), ("ch1", "ch")], rule: "allow", ..Plan::default() };
    let mut deployment = Deployment::found(Path::new(PROGRAM), folder.path(), &plan).unwrap();
    let alice = {
        let eu = deployment.cell("eu1").unwrap();
        let alice = Person::register(eu, "alice");
        let room = text(&alice.does(eu, "POST", "createRoom", &json!({})), "room_id").to_owned();
        (0..MESSAGES).for_each(|number| alice.says(eu, &room, number));
        disk.fill();
        eu.json(&["move", &alice.id, "--to", "ch", "--no-wait", "--as", "the test", "--reason", "a test"]).unwrap();
        let began = Instant::now();
        let told = loop {
            let shown = standing(eu, &alice);
            if shown["attempts"].as_i64() > Some(1) {
                break shown;
            }
            assert!(began.elapsed() < PATIENCE && shown["ended_ts"].is_null(), "it was to fail: {shown}");
            sleep(PAUSE);
        };
        assert_eq!(told["state"], "copying", "nothing was handed over: {told}");
        assert!(told["error"].as_str().unwrap().contains("the other cell"), "it says where to look: {told}");
        // She goes on where she was.
        alice.does(eu, "GET", "account/whoami", &Value::Null);
        alice.says(eu, &room, MESSAGES);
        (alice, room)
    };
    let (alice, room) = alice;
    disk.empty();
    let (eu, began) = (deployment.cell("eu1").unwrap(), Instant::now());
    loop {
        let shown = standing(eu, &alice);
        if shown["state"] == "done" {
            break;
        }
        assert!(began.elapsed() < PATIENCE && shown["ended_ts"].is_null(), "it does not go on: {shown}");
        sleep(PAUSE);
    }
    let ch = deployment.cell("ch1").unwrap();
    let past = alice.does(ch, "GET", &format!("rooms/{room}/messages?dir=b&limit=200"), &Value::Null);
    let bodies = past["chunk"].as_array().unwrap().iter().filter_map(|event| event["content"]["body"].as_str());
    let mut numbers: Vec<usize> = bodies.map(|body| body.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..=MESSAGES).collect::<Vec<_>>(), "every message once");
    for (name, cell) in deployment.cells() {
        let audit = cell.json(&["audit"]).unwrap();
        assert_eq!(audit["body"]["passed"], true, "{name}: {}", audit["body"]["foreign"]);
    }
    // Whoever had no room to write is whole, and starts again.
    let cell = deployment.cell_mut("ch1").unwrap();
    cell.stop().unwrap();
    cell.start().unwrap();
    alice.does(deployment.cell("ch1").unwrap(), "GET", "account/whoami", &Value::Null);
}
