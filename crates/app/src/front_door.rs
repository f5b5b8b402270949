//! The front door: somebody comes to a cell that is not their home. By their home's rule they are told where to go, or passed through, and then
//! nothing of what they ask is kept or logged here.
//!
//! A name at a login leads home by its ticket; a token says nothing to a cell that did not make it, so the others are asked whose it is, by its hash.

use std::{net::IpAddr, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use bytes::Bytes;
use domicile_core::{
    clock::{Clock, MINUTE_MS, SECOND_MS},
    error::{ErrorKind, MatrixError},
    locality::{CellName, Destination, Locality},
};
use domicile_residency::{
    deployment::{Cell, FrontDoor as Rule},
    flow,
};
use domicile_store::{Store, StoreError, table::tokens};
use futures::future::join_all;
use http::{HeaderName, Request, Response, header};
use quick_cache::sync::Cache;
use ruma::{OwnedUserId, UserId};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    accounts::{Limit, RateLimits, sessions::token_hash},
    federation::Bounds,
    residency::{InnerLink, Localities, OwnCell},
};

/// Where a cell is asked whether a token is one of its own.
pub const WHOSE: &str = "/_domicile/inner/v1/door/whose";
/// What stands before the path of a request that somebody's home answers through another cell.
pub const THROUGH: &str = "/_domicile/inner/v1/door/through";
/// The client's own token on its way.
pub const TOKEN: HeaderName = HeaderName::from_static("x-domicile-token");
/// Where the client is.
pub const ADDRESS: HeaderName = HeaderName::from_static("x-domicile-address");
/// What somebody's request may cost: a long poll as well as an upload.
const BOUNDS: Bounds = Bounds { time: Duration::from_mins(10), bytes: 256 << 20 };
/// How long a cell may take to say whose a token is.
const TIME: Duration = Duration::from_secs(5);
/// How long it is remembered whose a token is, and that it is nobody's.
const KNOWN_MS: i64 = 10 * MINUTE_MS;
const NOBODY_MS: i64 = 30 * SECOND_MS;
/// Tokens that are remembered, by their hashes.
const REMEMBERED: usize = 50_000;

/// Where a login goes.
#[derive(Debug)]
pub enum Way {
    /// To this cell.
    Here,
    /// To another one, which lets people in through any door: the answer tells its address.
    Through {
        /// The cell.
        cell: CellName,
        /// Where its people's clients find it.
        address: String,
    },
    /// Nowhere from here: the home's people sign in at home.
    Refused(MatrixError),
}

/// A token of which is asked.
#[derive(Debug, Serialize, Deserialize)]
pub struct TokenQuestion {
    /// Its hash, SHA-256 in unpadded Base64.
    pub hash: String,
}

/// Whose it is.
#[derive(Debug, Serialize, Deserialize)]
pub struct TokenAnswer {
    /// Whether it is one of the cell that was asked.
    pub ours: bool,
}

/// What it is made of.
pub struct FrontDoorParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// This cell.
    pub own: Arc<OwnCell>,
    /// The way to the others.
    pub link: Arc<InnerLink>,
    /// Whose home is where.
    pub localities: Arc<Localities>,
    /// Who asks how often.
    pub rate_limits: Arc<RateLimits>,
}

/// The front door; of a server that is no cell of a deployment it leads nowhere else.
pub struct FrontDoor {
    parts: Option<FrontDoorParts>,
    tokens: Cache<[u8; 32], (Option<CellName>, i64)>,
}

impl FrontDoor {
    /// Of a cell of a deployment, or of a server that is none.
    pub fn new(parts: Option<FrontDoorParts>) -> Self {
        Self { parts, tokens: Cache::new(REMEMBERED) }
    }

    /// Whether there are other cells.
    pub fn is_one_of_several(&self) -> bool {
        self.parts.is_some()
    }

    /// Where somebody goes who wants to log in as `name`, a Matrix id or what stands before its colon. Who is nobody, and whom this cell may not
    /// know of, goes in here, and is told what everybody is told whose password is wrong.
    pub async fn login(&self, name: &str, address: Option<IpAddr>) -> Result<Way> {
        let Some(parts) = &self.parts else { return Ok(Way::Here) };
        let Some(user_id) = user_id(name, &parts.localities) else { return Ok(Way::Here) };
        if parts.localities.of(&user_id) == Locality::Here {
            return Ok(Way::Here);
        }
        // Before the directory is asked: otherwise names could be tried out here.
        parts.rate_limits.check_address(Limit::LoginAddress, address)?;
        parts.localities.meet(&[&user_id]).await?;
        let Locality::Elsewhere(Destination::Cell(cell)) = parts.localities.of(&user_id) else { return Ok(Way::Here) };
        let Some(home) = parts.own.document().cells.get(&cell) else { return Ok(Way::Here) };
        let address = home.client_url.as_str().trim_end_matches('/').to_owned();
        if lets_through(parts, home) {
            return Ok(Way::Through { cell, address });
        }
        let text = format!("Your account is kept at {address}: sign in there. Your password was not read here.");
        Ok(Way::Refused(ErrorKind::Forbidden.with(text)))
    }

    /// The cell whose token it is, of those that let people in through any door; nothing if none of them knows it.
    pub async fn home_of(&self, token: &str) -> Option<CellName> {
        let parts = self.parts.as_ref()?;
        let (hash, now_ms) = (token_hash(token), parts.clock.now_ms());
        if let Some((cell, _)) = self.tokens.get(&hash).filter(|(_, until_ms)| *until_ms > now_ms) {
            return cell;
        }
        let question = TokenQuestion { hash: BASE64_STANDARD_NO_PAD.encode(hash) };
        let others = parts.own.document().cells.iter().filter(|(name, _)| *name != parts.own.name());
        let asked = others.filter(|(_, cell)| lets_through(parts, cell));
        let question = &question;
        let asking = asked.map(|(name, _)| async move {
            let answer = parts.link.ask_json::<TokenAnswer>(name, WHOSE, question);
            (name.clone(), tokio::time::timeout(TIME, answer).await)
        });
        let (mut found, mut missing) = (None, false);
        for (cell, answer) in join_all(asking).await {
            match answer {
                Ok(Ok(answer)) if answer.ours => found = Some(cell),
                Ok(Ok(_)) => {}
                _ => missing = true,
            }
        }
        if found.is_some() || !missing {
            let until_ms = now_ms + if found.is_some() { KNOWN_MS } else { NOBODY_MS };
            self.tokens.insert(hash, (found.clone(), until_ms));
        }
        found
    }

    /// Whether a token is one of this cell's, which another cell was shown.
    pub async fn is_ours(&self, question: &TokenQuestion) -> Result<TokenAnswer> {
        self.opens()?;
        let Some(parts) = &self.parts else { return Ok(TokenAnswer { ours: false }) };
        let wrong = || ErrorKind::InvalidParam.with("The hash is none.");
        let hash = BASE64_STANDARD_NO_PAD.decode(&question.hash).map_err(|_| wrong())?;
        let read = parts.store.read(move |snapshot| async move {
            let known = tokens::access(&snapshot, &hash).await?.is_some();
            Ok::<_, StoreError>(known || tokens::refresh(&snapshot, &hash).await?.is_some())
        });
        Ok(TokenAnswer { ours: read.await? })
    }

    /// Refuses where this cell's people come in through their own door alone.
    pub fn opens(&self) -> Result<()> {
        let policy = self.parts.as_ref().and_then(|parts| parts.own.document().regions.get(parts.own.region()));
        match policy.map(|policy| policy.front_door) {
            Some(Rule::Any) => Ok(()),
            _ => Err(ErrorKind::Forbidden.with("People of this cell come in through its own door alone.").into()),
        }
    }

    /// Has somebody's home answer their request.
    pub async fn through(&self, cell: &CellName, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let parts = self.parts.as_ref().ok_or_else(|| Error::internal("this server is no cell of a deployment"))?;
        match parts.link.ask(cell, request, BOUNDS).await {
            Ok(mut answer) => {
                // The connection's own, and not the answer's.
                for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::DATE] {
                    answer.headers_mut().remove(name);
                }
                Ok(answer)
            }
            Err(error) => {
                tracing::info!(%error, "somebody's home is not reached");
                let text = "Your account's home cannot be reached at the moment: try again later.";
                Err(ErrorKind::GatewayTimeout.with(text).into())
            }
        }
    }
}

/// Whether people of a cell come in through any door, and this one's region may know of them.
fn lets_through(parts: &FrontDoorParts, cell: &Cell) -> bool {
    let document = parts.own.document();
    let any = document.regions.get(&cell.region).is_some_and(|policy| policy.front_door == Rule::Any);
    any && flow::between(document, parts.own.region(), &cell.region).rule != flow::Rule::Forbid
}

fn user_id(name: &str, localities: &Localities) -> Option<OwnedUserId> {
    let server = localities.server_name();
    let user_id = if name.starts_with('@') { UserId::parse(name) } else { UserId::parse(format!("@{name}:{server}")) };
    user_id.ok().filter(|user_id| user_id.server_name() == server)
}
