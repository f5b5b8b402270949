//! Somebody who stole a cell's key, or has none, and tries what it opens.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::http::{self, Method};
use bytes::Bytes;
use domicile_core::locality::CellName;
use domicile_egress::{
    client::Bounds,
    inner::{Identity, InnerClient, InnerPlace},
};
use domicile_residency::{
    deployment::{PublicKey, SecretKey},
    directory::Transfer,
    inner::{Header, RequestId, Said},
};
use domicile_room::event::ServerSigner;
use ruma::{OwnedServerName, RoomVersionId, ServerName, UserId, signatures::hash_and_sign_event};
use serde_json::Value;

/// What an answer may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), bytes: 1 << 20 };

/// A forger.
pub struct Forger {
    name: OwnedServerName,
    key: SecretKey,
    client: InnerClient,
    to: CellName,
    next: AtomicU64,
}

/// What they ask.
pub struct Request<'r> {
    /// In whose name.
    pub origin: &'r str,
    /// The number of the document that they claim to have.
    pub serial: u32,
    /// The number of the request, if it is not the next.
    pub number: Option<u64>,
    /// The method.
    pub method: Method,
    /// The path.
    pub path: &'r str,
    /// The body, if there is one.
    pub body: Option<&'r Value>,
}

impl Forger {
    /// Somebody with a key who asks the cell `to` at `url`, which has the key `of`.
    pub fn new(name: &ServerName, key: SecretKey, to: &str, url: &str, of: &PublicKey) -> Self {
        let identity = Identity { pkcs8: key.to_pkcs8().to_vec(), spki: key.public().to_spki() };
        let place = InnerPlace {
            name: to.to_owned(),
            url: url.to_owned(),
            spki: of.to_spki(),
            proxy: None,
            relays: Vec::new(),
        };
        let client = InnerClient::new(&identity, vec![place], None).expect("a client");
        Self {
            name: name.to_owned(),
            key,
            client,
            to: CellName::parse(to).expect("a cell's name"),
            next: AtomicU64::new(0),
        }
    }

    /// An event like another one, in somebody's name and with the forger's signature.
    pub fn event(&self, like: &Value, sender: &str) -> Value {
        let id = self.key.public().cell_key_id();
        let version = id.strip_prefix("ed25519:").expect("an id");
        let signer = ServerSigner::from_seed(self.name.clone(), &self.key.seed(), version).expect("a signer");
        let mut event = like.clone();
        event["sender"] = sender.into();
        event["content"]["ciphertext"] = "forged".into();
        let object = event.as_object_mut().expect("an event");
        for key in ["hashes", "signatures", "unsigned"] {
            object.remove(key);
        }
        let rules = RoomVersionId::V11.rules().expect("a version");
        let mut object = serde_json::from_value(event).expect("canonical JSON");
        hash_and_sign_event(self.name.as_str(), signer.key_pair(), &mut object, &rules.redaction).expect("a signature");
        serde_json::to_value(object).expect("JSON")
    }

    /// The word of the forger that somebody goes from one cell to another, after the ticket of a number and a hash: what their home would say.
    pub fn lets_go(&self, user_id: &UserId, (from, to): (&str, &str), (epoch, previous): (u32, &str)) -> String {
        let [from, to] = [from, to].map(|name| CellName::parse(name).expect("a cell's name"));
        let epoch = epoch.saturating_add(1);
        Transfer { user_id, from: &from, to: &to, epoch, previous }.sign(&self.key)
    }

    /// Asks. Gives the status and the answer; an error where no connection came about.
    pub async fn ask(&self, request: Request<'_>) -> Result<(u16, Value), String> {
        let body = request.body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let number = request.number.unwrap_or_else(|| self.next.fetch_add(1, Ordering::Relaxed));
        let id = RequestId { began_ms: 1, process: 1, number };
        let said = Said { method: request.method.as_str(), path: request.path, body: &body };
        let origin = CellName::parse(request.origin).expect("a cell's name");
        let header = Header::sign((&origin, &self.key), &self.to, request.serial, id, said).to_string();
        let sent = http::Request::builder().method(request.method.clone()).uri(request.path);
        let sent = sent.header("authorization", header).body(Bytes::from(body)).expect("a request");
        let answer = self.client.ask(self.to.as_str(), sent, BOUNDS).await.expect("the cell is known");
        let answer = answer.map_err(|error| error.to_string())?;
        Ok((answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default()))
    }
}
