//! Requests of other servers: whose they are, whether they may come, and how many at once. What they tell beside events: [`edus`].

pub mod edus;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use domicile_core::{
    error::{ErrorKind, MatrixError},
    locality::{Destination, is_cell},
};
use domicile_residency::inner::{Header, Said};
use parking_lot::Mutex;
use ruma::{
    OwnedServerName, ServerName,
    api::federation::authentication::{XMatrix, XMatrixVerificationError},
    signatures::{PublicKeyMap, PublicKeySet, VerificationError},
};

use super::{KeyUse, OutboundBell, OwnKeys, Policy, ServerKeys};
use crate::{Result, residency::InnerLink};

/// How long a server is told to wait that has too many requests in work, in milliseconds.
const WAIT_MS: u64 = 1_000;

/// Judges the requests of other servers.
pub struct Inbound {
    own: Arc<OwnKeys>,
    policy: Arc<Policy>,
    keys: ServerKeys,
    at_once: usize,
    bell: Arc<OutboundBell>,
    link: Option<Arc<InnerLink>>,
    working: Arc<Mutex<HashMap<OwnedServerName, usize>>>,
}

/// A request that is in work, for as long as it is held.
pub struct Turn {
    origin: OwnedServerName,
    working: Arc<Mutex<HashMap<OwnedServerName, usize>>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut working = self.working.lock();
        if let Some(count) = working.get_mut(&self.origin) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                working.remove(&self.origin);
            }
        }
    }
}

fn unauthorized(text: String) -> MatrixError {
    ErrorKind::Unauthorized.with(text)
}

impl Inbound {
    /// At most `at_once` requests of one server are in work. Whoever tells others is told by `bell` who is there.
    pub fn new(
        own: Arc<OwnKeys>,
        policy: Arc<Policy>,
        keys: ServerKeys,
        at_once: usize,
        bell: Arc<OutboundBell>,
        link: Option<Arc<InnerLink>>,
    ) -> Self {
        Self { own, policy, keys, at_once: at_once.max(1), bell, link, working: Arc::default() }
    }

    /// Whether other servers may ask here: there is federation, and this is no cell whose people a gateway speaks for.
    pub fn is_enabled(&self) -> bool {
        self.policy.is_enabled() && self.own.is_known()
    }

    /// Whose a request is that a gateway passes on: the other server's. Only a gateway of this cell's region may, and only for servers with whom the
    /// rules let people here share something.
    pub fn passed(&self, gateway: &ServerName, origin: &ServerName) -> Result<(), MatrixError> {
        if is_cell(origin) || origin == self.server_name() {
            return Err(unauthorized("The request says that it comes from this deployment itself.".to_owned()));
        }
        self.policy.check(origin)?;
        self.may_pass(gateway)?;
        self.may_share(origin)?;
        self.bell.heard_from(origin);
        Ok(())
    }

    /// Whether a cell is a gateway for people here.
    pub fn may_pass(&self, gateway: &ServerName) -> Result<(), MatrixError> {
        match (Destination::of_peer(gateway), &self.link) {
            (Destination::Cell(gateway), Some(link)) => link.may_pass(&gateway),
            _ => Err(unauthorized("The request is not a cell's.".to_owned())),
        }
    }

    /// Whether the rules let people of this cell share anything with a server.
    pub fn may_share(&self, origin: &ServerName) -> Result<(), MatrixError> {
        self.link.as_ref().map_or(Ok(()), |link| link.may_share(&Destination::Server(origin.to_owned())))
    }

    /// Our name.
    pub fn server_name(&self) -> &ServerName {
        self.own.server_name()
    }

    /// Whether a request with this header can be one for us at all, and the key with which it says that it is signed. Its body is not looked
    /// at before that: a stranger would have us read much for nothing.
    pub async fn key(&self, header: &XMatrix) -> Result<PublicKeySet> {
        if header.destination.as_deref().is_some_and(|to| to != self.server_name()) {
            return Err(unauthorized(format!("The request is for another server than {}.", self.server_name())).into());
        }
        if header.origin == self.server_name() {
            return Err(unauthorized("The request says that it comes from this server itself.".to_owned()).into());
        }
        if is_cell(&header.origin) {
            return Err(unauthorized("Nobody outside speaks for a cell.".to_owned()).into());
        }
        self.policy.check(&header.origin)?;
        let wanted = BTreeSet::from([header.key.to_string()]);
        let keys = self.keys.get(&header.origin, &wanted, KeyUse::Request).await?;
        if keys.is_empty() {
            let text = format!("{} does not say that {} is a key of its own.", header.origin, header.key);
            return Err(unauthorized(text).into());
        }
        Ok(keys)
    }

    /// Checks the signature of a request.
    pub fn verify(
        &self,
        header: &XMatrix,
        keys: PublicKeySet,
        request: &http::Request<&[u8]>,
    ) -> Result<(), MatrixError> {
        if request.uri().path_and_query().is_none() {
            return Err(unauthorized("The request has no path.".to_owned()));
        }
        let keys = PublicKeyMap::from([(header.origin.to_string(), keys)]);
        header.verify_http_request(request, self.server_name(), &keys).map_err(|error| match error {
            XMatrixVerificationError::Signature(VerificationError::Json(error)) => {
                ErrorKind::NotJson.with(format!("The request's body is no canonical JSON: {error}"))
            }
            error => unauthorized(format!("The request's signature is wrong: {error}")),
        })?;
        self.bell.heard_from(&header.origin);
        Ok(())
    }

    /// The link to other cells, if there are any.
    pub fn link(&self) -> Option<&Arc<InnerLink>> {
        self.link.as_ref()
    }

    /// Whose a request is that came over the link between cells, before its body is read. `cell_key` is the key of its connection.
    pub fn open_inner(&self, header: &str, cell_key: &[u8], path: &str) -> Result<Header, MatrixError> {
        let none = || unauthorized("This server is no cell of a deployment.".to_owned());
        self.link.as_ref().ok_or_else(none)?.open(header, cell_key, path)
    }

    /// Checks the signature of such a request. Gives the name that stands for the cell.
    pub fn verify_inner(&self, header: Header, request: &http::Request<&[u8]>) -> Result<OwnedServerName, MatrixError> {
        let none = || unauthorized("This server is no cell of a deployment.".to_owned());
        let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let said = Said { method: request.method().as_str(), path, body: request.body() };
        let cell = self.link.as_ref().ok_or_else(none)?.verify(header, said)?;
        let peer = Destination::Cell(cell).peer_name().to_owned();
        self.bell.heard_from(&peer);
        Ok(peer)
    }

    /// Whether the rules let a cell be told anything of rooms and people here.
    pub fn may_ask(&self, peer: &ServerName) -> Result<(), MatrixError> {
        match (Destination::of_peer(peer), &self.link) {
            (Destination::Cell(cell), Some(link)) => link.may_ask(&cell),
            _ => Err(unauthorized("The request is not a cell's.".to_owned())),
        }
    }

    /// A turn for a request of a server.
    pub fn turn(&self, origin: &ServerName) -> Result<Turn, MatrixError> {
        let mut working = self.working.lock();
        let count = working.entry(origin.to_owned()).or_default();
        if *count >= self.at_once {
            return Err(MatrixError::limit_exceeded(WAIT_MS));
        }
        *count += 1;
        Ok(Turn { origin: origin.to_owned(), working: Arc::clone(&self.working) })
    }
}
