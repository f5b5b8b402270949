//! The people of the story, and what they read. With `DOMICILE_MATRIX_SDK_DRIVER`, each has a client that nobody here wrote; without it, they ask the
//! server as a client would.

use std::{collections::BTreeMap, path::Path, time::Duration};

use domicile_testkit::driver::{Driver, Program};
use serde_json::{Value, json};

use crate::{Server, V3, text};

/// Where the driver of matrix-sdk is.
const DRIVER_VARIABLE: &str = "DOMICILE_MATRIX_SDK_DRIVER";
/// How long a message may be on its way.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Readers {
    clients: BTreeMap<String, Driver>,
    password: &'static str,
}

impl Readers {
    pub(super) fn begin(server: &Server, folder: &Path, names: &[&str], password: &'static str) -> Self {
        let mut clients = BTreeMap::new();
        if let Ok(driver) = std::env::var(DRIVER_VARIABLE) {
            let program = Program { program: driver.into(), script: None };
            for name in names {
                let mut client = Driver::start(&program, name, folder).unwrap();
                client.open(&format!("http://{}", server.address), &folder.join(format!("{name}.store"))).unwrap();
                client.login(name, password).unwrap();
                clients.insert((*name).to_owned(), client);
            }
        }
        Self { clients, password }
    }

    /// What they read with.
    pub(super) fn client(&self) -> &'static str {
        if self.clients.is_empty() { "his client" } else { "his client, which is matrix-sdk's" }
    }

    /// The messages of all rooms that somebody is in or invited to, which they join; the oldest first.
    pub(super) fn read(&mut self, server: &Server, name: &str) -> Vec<String> {
        match self.clients.get_mut(name) {
            Some(client) => in_client(client),
            None => over_http(server, name, self.password),
        }
    }

    pub(super) fn end(&mut self) {
        for client in std::mem::take(&mut self.clients).into_values() {
            client.quit().unwrap();
        }
    }
}

/// A client that has just received all that there is knows every room, also that there is none.
fn in_client(client: &mut Driver) -> Vec<String> {
    client.start_sync(false).unwrap();
    let rooms = client.rooms().unwrap();
    for room in &rooms.invited {
        client.join(room).unwrap();
    }
    let mut texts = Vec::new();
    for room in rooms.invited.iter().chain(&rooms.joined) {
        let history = client.history(room, 50, PATIENCE).unwrap();
        assert_eq!(history.unreadable, Vec::<String>::new());
        texts.extend(history.messages.into_iter().filter_map(|message| message.body));
    }
    client.stop_sync().unwrap();
    texts
}

fn over_http(server: &Server, name: &str, password: &str) -> Vec<String> {
    let session = server.login(name, password);
    let token = text(&session, "access_token");
    let sync = server.ask("GET", &format!("{V3}/sync"), token, &Value::Null).body;
    let keys = |kind: &str| sync["rooms"][kind].as_object().map(|rooms| rooms.keys().cloned().collect::<Vec<_>>());
    let rooms: Vec<String> = ["invite", "join"].into_iter().filter_map(keys).flatten().collect();
    let mut texts = Vec::new();
    for room in rooms {
        let path = format!("{V3}/join/{room}");
        assert_eq!(server.ask("POST", &path, token, &json!({})).status, 200);
        let path = format!("{V3}/rooms/{room}/messages?dir=f&limit=50");
        let messages = server.ask("GET", &path, token, &Value::Null).body;
        let chunk = messages["chunk"].as_array().unwrap();
        texts.extend(chunk.iter().filter_map(|event| event["content"]["body"].as_str()).map(str::to_owned));
    }
    texts
}
