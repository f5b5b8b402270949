//! Requests to other Matrix servers: a server name becomes a host, a port, and the name that the certificate must have, by the steps of the
//! server-server specification (*Resolving server names*).
//!
//! Two parts: a name may delegate to another one (`delegate`), and that one is served somewhere (`locate`). The second name is what stands in the
//! `Host` header and what connections are pooled by, so all requests to a server share its connections, however many names lead there.

mod delegate;
pub mod dns;
mod examine;
mod kept;
mod locate;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use domicile_core::{clock::Clock, rng::Rng};
use http::{HeaderValue, Request, Response, Uri, header::HOST, uri::PathAndQuery};
use http_body_util::Full;
use ruma::ServerName;

pub use delegate::{Delegations, NoDelegation};
pub use dns::{Dns, SystemDns};
pub use examine::{Examination, Secured};
pub use locate::{Locator, PORT, Place, Step};

use crate::{
    client::{Bounds, Client, ClientError},
    connect::ConnectError,
    spool::Spool,
    trust::Trust,
};
use dns::LeftToTheProxy;
use locate::{DnsHosts, PeerHosts};

/// Asks other Matrix servers. Cheap to clone; all clones share their connections and what they know of names.
#[derive(Clone)]
pub struct FederationClient {
    pool: Client<PeerHosts>,
    delegations: Arc<Delegations>,
    locator: Arc<Locator>,
    trust: Trust,
    /// Where large answers lie while they are read.
    folder: Arc<Path>,
}

impl FederationClient {
    /// Nothing is known yet, and nobody is connected to. Where `trust` leads through a proxy that looks names up, `dns` is not asked: a server that
    /// is found by an SRV record alone is not found then.
    /// Large answers lie in `folder` while they are read, in files without names.
    pub fn new(trust: &Trust, dns: Arc<dyn Dns>, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, folder: &Path) -> Self {
        let dns = match &trust.proxy {
            Some(proxy) if proxy.resolves() => Arc::new(LeftToTheProxy) as Arc<dyn Dns>,
            _ => dns,
        };
        let ordinary = Client::over(trust, DnsHosts(Arc::clone(&dns)));
        let locator = Arc::new(Locator::new(dns, Arc::clone(&clock), rng));
        Self {
            pool: Client::over(trust, PeerHosts(Arc::clone(&locator))),
            delegations: Arc::new(Delegations::new(ordinary, clock)),
            locator,
            trust: trust.clone(),
            folder: Arc::from(folder),
        }
    }

    /// Asks a server, and gives the whole answer. Of the request's address only path and query matter. The time of `bounds` does not include
    /// that of finding out whom the name delegates to, which has a bound of its own.
    pub async fn ask(
        &self,
        to: &ServerName,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, ClientError> {
        self.pool.ask(self.addressed(to, request).await?, bounds).await
    }

    /// The same where the answer may be [large](Client::ask_large).
    pub async fn ask_large(
        &self,
        to: &ServerName,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Spool>, ClientError> {
        self.pool.ask_large(self.addressed(to, request).await?, bounds, &self.folder).await
    }

    async fn addressed(
        &self,
        to: &ServerName,
        mut request: Request<Bytes>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let name = self.delegations.delegate(to).await;
        *request.uri_mut() = address(&name, request.uri().path_and_query())?;
        let host = HeaderValue::from_str(name.as_str()).map_err(|_| ClientError::Connect(ConnectError::NoHost))?;
        request.headers_mut().insert(HOST, host);
        Ok(request.map(Full::new))
    }
}

/// The address of something on a server.
fn address(name: &ServerName, path: Option<&PathAndQuery>) -> Result<Uri, ClientError> {
    let path = path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let built = Uri::builder().scheme("https").authority(name.as_str()).path_and_query(path).build();
    built.map_err(|_| ClientError::Connect(ConnectError::NoHost))
}
