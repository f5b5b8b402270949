//! Somebody with a client of a cell: at their home's address, or at another one.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use domicile_testkit::plays::cells::Cell;
use serde_json::{Value, json};

use super::{V3, text};

/// What a client is, and where.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    /// The address that it has, as the proxy before a cell says.
    pub(crate) from: &'static str,
    /// What it says that it is.
    pub(crate) agent: &'static str,
    /// What its owner calls it.
    pub(crate) device: &'static str,
}

/// Somebody who is signed in.
pub(crate) struct Person {
    client: Client,
    /// Where the client asks.
    at: SocketAddr,
    pub(crate) token: String,
    pub(crate) id: String,
}

/// What a cell answered.
pub(crate) struct Heard {
    pub(crate) status: u16,
    /// The headers.
    pub(crate) head: String,
    pub(crate) bytes: Vec<u8>,
}

impl Heard {
    pub(crate) fn body(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// Of what had to succeed.
    pub(crate) fn ok(self, what: &str) -> Self {
        assert_eq!(self.status, 200, "{what}: {}", String::from_utf8_lossy(&self.bytes));
        self
    }
}

impl Client {
    /// One request on a connection of its own. It is of HTTP/1.0, so that an answer is not in chunks.
    fn ask(self, at: SocketAddr, (method, path): (&str, &str), token: &str, (kind, content): (&str, &[u8])) -> Heard {
        let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: x\r\n{authorization}X-Forwarded-For: {}\r\nUser-Agent: {}\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.from,
            self.agent,
            content.len(),
        );
        let mut stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(&[head.as_bytes(), content].concat()).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}"));
        let head = String::from_utf8(all[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Heard { status, head, bytes: all.split_off(end + 4) }
    }

    fn post(self, at: SocketAddr, path: &str, body: &Value) -> Heard {
        self.ask(at, ("POST", &format!("{V3}/{path}")), "", ("application/json", body.to_string().as_bytes()))
    }

    /// Makes an account; without a name it gets a random one.
    pub(crate) fn register(self, cell: &Cell, name: Option<&str>, password: &str) -> Person {
        let mut body = json!({
            "auth": { "type": "m.login.dummy" }, "password": password, "initial_device_display_name": self.device,
        });
        if let Some(name) = name {
            body["username"] = name.into();
        }
        self.signed_in(cell, &self.post(cell.clients, "register", &body).ok("register").body())
    }

    /// Tries to sign in.
    pub(crate) fn tries(self, cell: &Cell, id: &str, password: &str) -> Heard {
        let body = json!({
            "type": "m.login.password", "identifier": { "type": "m.id.user", "user": id }, "password": password,
            "initial_device_display_name": self.device, "refresh_token": true,
        });
        self.post(cell.clients, "login", &body)
    }

    /// Somebody whose session `told` is, where a cell is.
    pub(crate) fn signed_in(self, cell: &Cell, told: &Value) -> Person {
        let (token, id) = (text(told, "access_token").to_owned(), text(told, "user_id").to_owned());
        Person { client: self, at: cell.clients, token, id }
    }
}

impl Person {
    fn asks_for(&self, method: &str, path: &str, content: (&str, &[u8])) -> Heard {
        self.client.ask(self.at, (method, path), &self.token, content)
    }

    pub(crate) fn asks(&self, method: &str, path: &str, body: &Value) -> Heard {
        let body = if method == "GET" { String::new() } else { body.to_string() };
        self.asks_for(method, &format!("{V3}/{path}"), ("application/json", body.as_bytes()))
    }

    pub(crate) fn does(&self, method: &str, path: &str, body: &Value) -> Value {
        self.asks(method, path, body).ok(&format!("{method} {path}")).body()
    }

    pub(crate) fn sees(&self, path: &str) -> Value {
        self.does("GET", path, &Value::Null)
    }

    pub(crate) fn makes_room(&self, body: &Value) -> String {
        text(&self.does("POST", "createRoom", body), "room_id").to_owned()
    }

    /// The session goes on with a new token.
    pub(crate) fn refreshes(&mut self, refresh_token: &str) {
        let told = self.does("POST", "refresh", &json!({ "refresh_token": refresh_token }));
        text(&told, "access_token").clone_into(&mut self.token);
    }

    /// Uploads something. Gives what stands behind `mxc://`.
    pub(crate) fn uploads(&self, name: &str, kind: &str, content: &[u8]) -> String {
        let path = format!("/_matrix/media/v3/upload?filename={name}");
        let told = self.asks_for("POST", &path, (kind, content)).ok("upload").body();
        text(&told, "content_uri").strip_prefix("mxc://").unwrap().to_owned()
    }

    pub(crate) fn downloads(&self, place: &str) -> Heard {
        self.asks_for("GET", &format!("/_matrix/client/v1/media/download/{place}"), ("", &[]))
    }

    pub(crate) fn asks_thumbnail(&self, place: &str) -> Heard {
        let path = format!("/_matrix/client/v1/media/thumbnail/{place}?width=96&height=96&method=crop");
        self.asks_for("GET", &path, ("", &[]))
    }

    /// The same session, asking elsewhere.
    pub(crate) fn at(&self, cell: &Cell) -> Self {
        Self { client: self.client, at: cell.clients, token: self.token.clone(), id: self.id.clone() }
    }
}
