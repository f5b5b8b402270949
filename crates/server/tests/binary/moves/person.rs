//! Somebody who moves, with what is to be theirs afterwards: two devices with messages in their inboxes, a room with others, a room of their own, a file.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread::sleep,
    time::Duration,
};

use domicile_testkit::plays::cells::{Cell, NAME};
use serde_json::{Value, json};

use super::super::{Answer, V3, ask, head, heard, text};

const PASSWORD: &str = "a long password";
/// How often what a cell that is killed has not answered is sent again.
const TRIES: usize = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// Somebody who stays, and whom all know.
#[derive(Clone)]
pub(super) struct Friend {
    clients: SocketAddr,
    token: String,
    id: String,
}

/// What is sent to somebody while they move.
#[derive(Clone)]
pub(super) struct Letter {
    to: String,
    room: String,
}

/// Somebody who moves.
pub(super) struct Person {
    pub(super) id: String,
    name: String,
    /// Device and token.
    sessions: Vec<(String, String)>,
    shared: String,
    alone: String,
    file: String,
}

impl Friend {
    pub(super) fn register(cell: &Cell) -> Self {
        let (id, _, token) = registered(cell, "friend");
        Self { clients: cell.clients, token, id }
    }

    fn does(&self, method: &str, path: &str, body: &Value) -> Value {
        does(self.clients, &self.token, method, path, body)
    }

    /// Sends a letter to a room and to devices, until both have been taken.
    pub(super) fn sends(&self, letter: &Letter) {
        let Letter { to, room } = letter;
        let said = json!({ "msgtype": "m.text", "body": "late" });
        let sent = json!({ "messages": { to: { "*": { "n": 2 } } } });
        for (path, body) in [
            (format!("rooms/{room}/send/m.room.message/late"), said),
            (format!("sendToDevice/org.example.n/{to}"), sent),
        ] {
            let path = format!("{V3}/{path}");
            let taken = (0..TRIES).any(|_| {
                let answer = attempt(self.clients, "PUT", &path, &self.token, &body);
                let is_taken = answer.is_ok_and(|answer| answer.status == 200);
                if !is_taken {
                    sleep(PAUSE);
                }
                is_taken
            });
            assert!(taken, "{path} is not taken");
        }
    }
}

impl Person {
    /// Somebody at a cell, who has met a friend there.
    pub(super) fn settle(cell: &Cell, name: &str, friend: &Friend) -> Self {
        let (id, device, token) = registered(cell, name);
        let login = login(cell.clients, name);
        let second = (text(&login.body, "device_id").to_owned(), text(&login.body, "access_token").to_owned());
        let does = |method: &str, path: &str, body: &Value| does(cell.clients, &token, method, path, body);
        let makes = |body: &Value| text(&does("POST", "createRoom", body), "room_id").to_owned();
        let says = |room: &str, words: &str| {
            let path = format!("rooms/{room}/send/m.room.message/{words}");
            does("PUT", &path, &json!({ "msgtype": "m.text", "body": words }));
        };
        let shared = makes(&json!({ "preset": "private_chat", "invite": [friend.id] }));
        friend.does("POST", &format!("join/{shared}"), &json!({}));
        says(&shared, "one");
        friend.does(
            "PUT",
            &format!("rooms/{shared}/send/m.room.message/two"),
            &json!({ "msgtype": "m.text", "body": "two" }),
        );
        let alone = makes(&json!({}));
        says(&alone, "three");
        for n in [0, 1] {
            let sent = json!({ "messages": { &id: { "*": { "n": n } } } });
            friend.does("PUT", &format!("sendToDevice/org.example.n/{id}-{n}"), &sent);
        }
        let file = uploaded(cell.clients, &token, &format!("the file of {name}"));
        Self { id, name: name.to_owned(), sessions: vec![(device, token), second], shared, alone, file }
    }

    /// What the friend sends them while they move.
    pub(super) fn letter(&self) -> Letter {
        Letter { to: self.id.clone(), room: self.shared.clone() }
    }

    /// At their new home everything is there, once, and nobody was signed out.
    pub(super) fn has_moved(&self, from: &Cell, to: &Cell) {
        let (_, token) = &self.sessions[0];
        let said = |room: &str| {
            let past = does(to.clients, token, "GET", &format!("rooms/{room}/messages?dir=b&limit=100"), &Value::Null);
            let events = past["chunk"].as_array().unwrap();
            let bodies = events.iter().filter_map(|event| event["content"]["body"].as_str());
            let mut bodies: Vec<String> = bodies.map(str::to_owned).collect();
            bodies.sort_unstable();
            bodies
        };
        // What was said last comes in its turn.
        for _ in 0..TRIES {
            if said(&self.shared).len() >= 3 {
                break;
            }
            sleep(PAUSE);
        }
        assert_eq!(said(&self.shared), ["late", "one", "two"], "{}", self.id);
        assert_eq!(said(&self.alone), ["three"], "{}", self.id);
        for (device, token) in &self.sessions {
            // The old address passes requests on.
            for cell in [to, from] {
                let who = does(cell.clients, token, "GET", "account/whoami", &Value::Null);
                assert_eq!((text(&who, "user_id"), text(&who, "device_id")), (&*self.id, &**device));
            }
            let synced = does(to.clients, token, "GET", "sync", &Value::Null);
            let letters = synced["to_device"]["events"].as_array().cloned().unwrap_or_default();
            let mut numbers: Vec<u64> = letters.iter().map(|one| one["content"]["n"].as_u64().unwrap()).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, [0, 1, 2], "the inbox of {} of {}", device, self.id);
        }
        let path = format!("/_matrix/client/v1/media/download/{NAME}/{}", self.file);
        let file = ask(&to.clients.to_string(), "GET", &path, token, &Value::Null);
        assert!(file.text.ends_with(&format!("the file of {}", self.name)), "the file of {}: {file:?}", self.id);
        let opens = |cell: &Cell| login(cell.clients, &self.name).status;
        assert_eq!(opens(to), 200, "{} is at home where they went", self.id);
        assert_ne!(opens(from), 200, "{} has a second home", self.id);
    }
}

fn registered(cell: &Cell, name: &str) -> (String, String, String) {
    let body = json!({ "auth": { "type": "m.login.dummy" }, "username": name, "password": PASSWORD });
    let session = ask(&cell.clients.to_string(), "POST", &format!("{V3}/register"), "", &body);
    assert_eq!(session.status, 200, "{session:?}");
    let of = |key: &str| text(&session.body, key).to_owned();
    (of("user_id"), of("device_id"), of("access_token"))
}

fn login(clients: SocketAddr, name: &str) -> Answer {
    let body = json!({
        "type": "m.login.password", "password": PASSWORD, "identifier": { "type": "m.id.user", "user": name },
    });
    ask(&clients.to_string(), "POST", &format!("{V3}/login"), "", &body)
}

fn does(clients: SocketAddr, token: &str, method: &str, path: &str, body: &Value) -> Value {
    let answer = ask(&clients.to_string(), method, &format!("{V3}/{path}"), token, body);
    assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
    answer.body
}

/// A file; gives its id.
fn uploaded(clients: SocketAddr, token: &str, content: &str) -> String {
    let mut stream = TcpStream::connect(clients).unwrap();
    let head = head("POST", "/_matrix/media/v3/upload?filename=file", token, content.len());
    let head = head.replace("\r\n\r\n", "\r\nContent-Type: text/plain\r\n\r\n");
    stream.write_all((head + content).as_bytes()).unwrap();
    let answer = heard(stream);
    assert_eq!(answer.status, 200, "{answer:?}");
    text(&answer.body, "content_uri").rsplit('/').next().unwrap().to_owned()
}

/// A request to a cell that may not be there, or be killed before it answers.
fn attempt(clients: SocketAddr, method: &str, path: &str, token: &str, body: &Value) -> io::Result<Answer> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(clients)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all((head(method, path, token, body.len()) + &body).as_bytes())?;
    let mut told = String::new();
    stream.read_to_string(&mut told)?;
    let status = told.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Ok(Answer { status, body: Value::Null, text: told })
}
