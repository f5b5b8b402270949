//! Other servers, as many as a measurement wants: all on one port of this machine, each at an address of its own (127.0.0.1, 127.0.1.1 …), with
//! signing keys, rooms that they hold, and an ear for what they are told. Each lives until it is told to die.

mod room;
mod serve;

use std::{collections::HashMap, net::Ipv4Addr, path::Path, sync::Arc};

use anyhow::{Context, Result, bail, ensure};
use domicile_room::event::{Pdu, ServerSigner};
use parking_lot::{Mutex, RwLock};
use ruma::{
    OwnedRoomId, OwnedServerName, OwnedUserId, ServerName,
    api::federation::authentication::{XMatrix, XMatrixSigningInput},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::Instant,
};

pub(crate) use room::Room;

use crate::{certificates, client::Client};

/// The address of the server that holds the rooms.
pub(crate) const FIRST: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// How a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It answers.
    Lives,
    /// It ends every connection.
    Refuses,
    /// It takes connections and says nothing.
    Silent,
}

/// An event that came.
pub(crate) struct Arrival {
    /// At which server.
    pub(crate) address: Ipv4Addr,
    /// When.
    pub(crate) at: Instant,
    /// What it is.
    pub(crate) event: Value,
}

struct Shared {
    port: u16,
    rooms: Mutex<HashMap<OwnedRoomId, Room>>,
    manners: RwLock<HashMap<Ipv4Addr, Manner>>,
    arrivals: mpsc::UnboundedSender<Arrival>,
    /// Tells connections that manners changed.
    changed: watch::Sender<()>,
}

/// The servers. They end when this is dropped.
pub(crate) struct Origins {
    shared: Arc<Shared>,
    certificates: std::path::PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Origins {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Origins {
    /// Starts them on a port, 0 for any that is free. What they are told comes out of the second.
    pub(crate) async fn start(certificates: &Path, port: u16) -> Result<(Self, mpsc::UnboundedReceiver<Arrival>)> {
        let acceptor = certificates::acceptor(certificates)?;
        // All addresses of 127.0.0.0/8 at once; who comes from elsewhere is sent away (`serve`).
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.context("listening for servers")?;
        let port = listener.local_addr()?.port();
        let (arrivals, arriving) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            port,
            rooms: Mutex::default(),
            manners: RwLock::default(),
            arrivals,
            changed: watch::channel(()).0,
        });
        let task = tokio::spawn(serve::listen(listener, acceptor, Arc::clone(&shared)));
        Ok((Self { shared, certificates: certificates.to_owned(), task }, arriving))
    }

    /// The port of all of them.
    pub(crate) fn port(&self) -> u16 {
        self.shared.port
    }

    /// The name of the server at an address.
    pub(crate) fn name(&self, address: Ipv4Addr) -> Result<OwnedServerName> {
        self.shared.name(address)
    }

    /// A user of the server at an address.
    pub(crate) fn user(&self, address: Ipv4Addr, localpart: &str) -> Result<OwnedUserId> {
        Ok(OwnedUserId::try_from(format!("@{localpart}:{}", self.name(address)?))?)
    }

    /// The signing key of the server at an address.
    pub(crate) fn signer(&self, address: Ipv4Addr) -> Result<ServerSigner> {
        self.shared.signer(address)
    }

    /// Shows others a room from now on, or shows it anew.
    pub(crate) fn show(&self, room: Room) {
        self.shared.rooms.lock().insert(room.id.clone(), room);
    }

    /// A room with what happened to it meanwhile.
    pub(crate) fn room(&self, id: &OwnedRoomId) -> Result<Room> {
        self.shared.rooms.lock().get(id).cloned().with_context(|| format!("there is no room {id}"))
    }

    /// Sets how servers are from now on.
    pub(crate) fn set(&self, manners: impl IntoIterator<Item = (Ipv4Addr, Manner)>) {
        self.shared.manners.write().extend(manners);
        self.shared.changed.send_replace(());
    }

    /// One who tells a server under test what happened.
    pub(crate) fn teller(&self, to: &str) -> Result<Teller> {
        let client = Client::secure(to, certificates::connector(&self.certificates)?);
        Ok(Teller { signer: self.signer(FIRST)?, to: ServerName::parse(to)?, client, sent: 0 })
    }
}

impl Shared {
    fn name(&self, address: Ipv4Addr) -> Result<OwnedServerName> {
        Ok(OwnedServerName::try_from(format!("{address}:{}", self.port))?)
    }

    /// The same for the same address and port, so that a later run can be the same servers. There is nothing to protect.
    fn signer(&self, address: Ipv4Addr) -> Result<ServerSigner> {
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&address.octets());
        seed[4..6].copy_from_slice(&self.port.to_be_bytes());
        ServerSigner::from_seed(self.name(address)?, &seed, "1").context("a signing key")
    }
}

/// Sends transactions from the first server to a server under test.
pub(crate) struct Teller {
    signer: ServerSigner,
    to: OwnedServerName,
    client: Client,
    sent: usize,
}

impl Teller {
    /// A transaction; gives how many of its events were refused.
    pub(crate) async fn tell(&mut self, events: &[Arc<Pdu>]) -> Result<usize> {
        self.sent += 1;
        let mut body = Vec::new();
        let origin = self.signer.server_name();
        body.extend_from_slice(format!("{{\"origin\":\"{origin}\",\"origin_server_ts\":1,\"pdus\":").as_bytes());
        room::list(&mut body, events);
        body.push(b'}');
        let path = format!("/_matrix/federation/v1/send/{}x{}", std::process::id(), self.sent);
        let request = hyper::Request::builder().method("PUT").uri(&path).body(body)?;
        let input = XMatrixSigningInput::new(origin.to_owned(), self.to.clone(), self.signer.key_pair());
        let header = XMatrix::sign_http_request(&request, input).context("signing a request")?;
        let header: hyper::header::HeaderValue = (&header).into();
        let status = self.client.send_as("PUT", &path, Some(header.to_str()?), Some(request.body())).await?;
        let answer = self.client.answer();
        if status != 200 {
            bail!("a transaction was answered with {status}: {answer}");
        }
        let pdus = answer["pdus"].as_object().context("an answer without `pdus`")?;
        ensure!(pdus.len() <= events.len(), "more events were answered than told");
        Ok(pdus.values().filter(|answer| answer.get("error").is_some()).count())
    }
}
