//! The front door: somebody comes to a cell that is not their home. Where their home's region lets people in through any door, what they ask is
//! passed to their home, and nothing of it is kept or logged here. Where it does not, they are answered as somebody whom nobody knows: what a
//! failed login says is the same for everybody, and names the addresses where else people sign in.
//!
//! A name at a login leads home by its ticket, which is not kept for that; a token says nothing to a cell that did not make it, so the others are
//! asked whose it is, by the beginning of its hash. It is passed to the one alone that proves that it knows the rest.

use std::{net::IpAddr, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use domicile_core::{
    clock::{Clock, MINUTE_MS, SECOND_MS},
    error::{ErrorKind, MatrixError},
    locality::{CellName, Destination, Locality},
    rng::Rng,
};
use domicile_residency::{
    deployment::{Cell, FrontDoor as Rule},
    flow,
    inner::{ALIKE, Proofs, SecretOf, WhoseQuestion},
};
use domicile_store::{Store, table::tokens};
use quick_cache::sync::Cache;
use ruma::{OwnedUserId, UserId};
use tokio::sync::Semaphore;

use crate::{
    Error, Result,
    accounts::{
        Limit, RateLimits, SeenTokens, login,
        sessions::{TokenHash, token_hash},
    },
    moves::Departures,
    residency::{Cells, InnerLink, Localities, Sought, Whose, whose},
};

/// Where a cell is asked whether a token is one of its own.
pub const WHOSE: &str = "/_domicile/inner/v1/door/whose";
/// How long it is remembered that a token is nobody's.
const NOBODY_MS: i64 = 30 * SECOND_MS;
/// How long whose it is, unless its home says before that it is good no more, or that its owner has moved.
const KNOWN_MS: i64 = 5 * MINUTE_MS;
/// Bytes of a token's hash by which its home is found. The other 24 are what it has to know.
const BEGINNING: usize = 8;
/// When somebody whose home may be one that is away is to try again.
const AGAIN_MS: u64 = 5_000;
/// Tokens that are remembered, by their hashes.
const REMEMBERED: usize = 50_000;
/// Tokens that others are asked of at once.
const ASKED: usize = 64;

/// Where a login goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// To this cell, which says the same to whoever is nobody and to whoever may not come in here.
    Here,
    /// To another one, which lets people in through any door.
    Through(CellName),
}

/// What it is made of.
pub struct FrontDoorParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// The way to the others.
    pub link: Arc<InnerLink>,
    /// Whose home is where.
    pub localities: Arc<Localities>,
    /// Who asks how often.
    pub rate_limits: Arc<RateLimits>,
    /// Who has left.
    pub departures: Arc<Departures>,
    /// Which tokens other cells may have seen.
    pub seen: Arc<SeenTokens>,
}

/// Whose a token is, or that it is nobody's.
#[derive(Clone, Debug)]
struct Known {
    cell: Option<CellName>,
    /// Until when that is believed.
    until_ms: i64,
    /// How many people had left the cell by then: with each who does, its tokens may be another's.
    left: u64,
    /// Whether its owner has moved to where no door leads from here: their client is to keep its keys.
    moved: bool,
}

impl Known {
    fn nobodys(until_ms: i64, moved: bool) -> Self {
        Self { cell: None, until_ms, left: 0, moved }
    }
}

/// The front door; of a server that is no cell of a deployment it leads nowhere else.
pub struct FrontDoor {
    parts: Option<FrontDoorParts>,
    tokens: Cache<[u8; 32], Known>,
    asking: Semaphore,
}

impl FrontDoor {
    /// Of a cell of a deployment, or of a server that is none.
    pub fn new(parts: Option<FrontDoorParts>) -> Self {
        Self { parts, tokens: Cache::new(REMEMBERED), asking: Semaphore::new(ASKED) }
    }

    fn parts(&self) -> Option<(&FrontDoorParts, &Cells)> {
        let parts = self.parts.as_ref()?;
        Some((parts, parts.localities.cells()?))
    }

    /// The way to the other cells, if there are any.
    pub fn link(&self) -> Option<&Arc<InnerLink>> {
        self.parts.as_ref().map(|parts| &parts.link)
    }

    /// Which tokens other cells may have seen, if there are others.
    pub fn seen(&self) -> Option<&Arc<SeenTokens>> {
        self.parts.as_ref().map(|parts| &parts.seen)
    }

    /// Where clients of this cell's people find it, as the deployment document says.
    pub fn own_address(&self) -> Option<String> {
        let (_, cells) = self.parts()?;
        let own = cells.own.document().cells.get(cells.own.name())?;
        Some(own.client_url.as_str().trim_end_matches('/').to_owned())
    }

    /// Where somebody goes who wants to log in as `name`, a Matrix id or what stands before its colon. Who is nobody, whom this cell may not know
    /// of, and who may sign in at home alone goes in here, and is told what everybody is told whose password is wrong.
    pub async fn login(&self, name: &str, address: Option<IpAddr>) -> Result<Way> {
        let Some((parts, cells)) = self.parts() else { return Ok(Way::Here) };
        // Of every login, before it is known whose it is: what is left to an address must not tell who is here.
        parts.rate_limits.check_address(Limit::FrontDoor, address)?;
        let Some(user_id) = user_id(name, &parts.localities) else { return Ok(Way::Here) };
        let home = match parts.localities.of(&user_id) {
            Locality::Elsewhere(Destination::Cell(home)) => Some(home),
            Locality::Unknown if passable(cells).next().is_some() => match cells.names.look_up(&user_id).await {
                Ok(tickets) => tickets.last().and_then(|ticket| CellName::parse(&ticket.home)),
                // Nor must it tell who is here that the directory is away.
                Err(error) => {
                    tracing::info!(%error, "the directory was not asked whose home is where");
                    None
                }
            },
            _ => None,
        };
        let home = home.filter(|home| passable(cells).any(|(cell, _)| cell == home));
        Ok(home.map_or(Way::Here, Way::Through))
    }

    /// What somebody is told whose login failed, here or at home, or could not be passed there.
    pub fn wrong_login(&self) -> Error {
        match &self.parts {
            Some(parts) => login::wrong(&parts.localities),
            None => Error::internal("this server is no cell of a deployment"),
        }
    }

    /// The cell whose token it is, of those to which this one passes people; nothing if none of them knows it. While one of them cannot be asked,
    /// nobody is told that a token is unknown: a client would forget its session, and with it the keys of its messages.
    pub async fn home_of(&self, token: &str, address: Option<IpAddr>) -> Result<Option<CellName>> {
        let Some((parts, cells)) = self.parts() else { return Ok(None) };
        let (hash, now_ms) = (token_hash(token), parts.clock.now_ms());
        let known = self.tokens.get(&hash);
        let was = known.as_ref().and_then(|known| known.cell.clone());
        // One that was taken out of the document, or off the list of those to which people are passed, is asked nothing more.
        let was = was.filter(|was| passable(cells).any(|(cell, _)| cell == was));
        let left = known.as_ref().map(|known| known.left);
        let turned = was.as_ref().is_some_and(|was| left != Some(cells.tickets.left(was)));
        let has_moved = known.as_ref().is_some_and(|known| known.moved);
        if let Some(known) = known.filter(|known| known.until_ms > now_ms && !turned)
            && known.cell == was
        {
            return if has_moved { Err(moved_away()) } else { Ok(was) };
        }
        if passable(cells).next().is_none() {
            return Ok(None);
        }
        if was.is_none() && !has_moved {
            parts.rate_limits.check_address(Limit::TokensElsewhere, address)?;
        }
        // Nearly always its home is where it was.
        if let Some(was) = was.clone().filter(|_| !turned) {
            let home = self.ask(parts, cells, (&hash, vec![was]), true).await?;
            if home.is_some() {
                return Ok(home);
            }
        }
        let home = self.ask_all(parts, cells, &hash, was.is_some() || has_moved).await?;
        if home.is_none() && has_moved {
            self.tokens.insert(hash, Known::nobodys(now_ms + KNOWN_MS, true));
            return Err(moved_away());
        }
        Ok(home)
    }

    /// The same of a token whose owner has moved, as the home says to which it was passed last.
    pub async fn next_home_of(&self, token: &str) -> Result<Option<CellName>> {
        let Some((parts, cells)) = self.parts() else { return Ok(None) };
        let hash = token_hash(token);
        self.tokens.remove(&hash);
        let home = self.ask_all(parts, cells, &hash, true).await?;
        if home.is_none() {
            self.tokens.insert(hash, Known::nobodys(parts.clock.now_ms() + KNOWN_MS, true));
        }
        Ok(home)
    }

    async fn ask_all(
        &self,
        parts: &FrontDoorParts,
        cells: &Cells,
        hash: &TokenHash,
        waits: bool,
    ) -> Result<Option<CellName>> {
        // Twice: of somebody who moves meanwhile, the new home may have been asked before they came and the old one after they left.
        for _ in 0..2 {
            let others = passable(cells).map(|(name, _)| name.clone()).collect();
            let home = self.ask(parts, cells, (hash, others), waits).await?;
            if home.is_some() {
                return Ok(home);
            }
        }
        self.tokens.insert(*hash, Known::nobodys(parts.clock.now_ms() + NOBODY_MS, false));
        Ok(None)
    }

    /// Asks cells whose a token is. Who was let through before waits for their turn; others are told to come again.
    async fn ask(
        &self,
        parts: &FrontDoorParts,
        cells: &Cells,
        (hash, others): (&TokenHash, Vec<CellName>),
        waits: bool,
    ) -> Result<Option<CellName>> {
        let busy = || MatrixError::limit_exceeded(AGAIN_MS);
        let _place = if waits {
            self.asking.acquire().await.map_err(|_| busy())?
        } else {
            self.asking.try_acquire().map_err(|_| busy())?
        };
        let left: Vec<u64> = others.iter().map(|cell| cells.tickets.left(cell)).collect();
        let beginning = BASE64_STANDARD_NO_PAD.encode(&hash[..BEGINNING]);
        let sought = Sought { of: SecretOf::Token, beginning: &beginning, secret: hash };
        match whose(&parts.link, others.clone(), WHOSE, sought, &*parts.rng).await {
            Whose::Of(cell) => {
                // As it was before anybody was asked: who leaves meanwhile is asked about again.
                let left = others.iter().zip(left).find(|(other, _)| **other == cell).map_or(0, |(_, left)| left);
                let until_ms = parts.clock.now_ms() + KNOWN_MS;
                self.tokens.insert(*hash, Known { cell: Some(cell.clone()), until_ms, left, moved: false });
                Ok(Some(cell))
            }
            Whose::Nobodys => Ok(None),
            Whose::Unknown => Err(away().into()),
        }
    }

    /// Forgets whose a token is: its home does not know it any more.
    pub fn forget(&self, token: &str) {
        self.tokens.remove(&token_hash(token));
    }

    /// Proves that a token is one of this cell's, which another cell was shown: of a session, for refreshing one, or for opening one.
    pub async fn is_ours(&self, asking: &CellName, question: &WhoseQuestion) -> Result<Proofs> {
        self.opens_to(asking)?;
        let Some((parts, cells)) = self.parts() else { return Ok(Proofs::default()) };
        let beginning = BASE64_STANDARD_NO_PAD.decode(&question.beginning).unwrap_or_default();
        if beginning.len() != BEGINNING {
            return Err(ErrorKind::InvalidParam.with("This is not the beginning of a hash.").into());
        }
        let (now_ms, limit) = (parts.clock.now_ms(), i64::try_from(ALIKE).unwrap_or(1));
        let read = parts
            .store
            .read(move |snapshot| async move { tokens::beginning(&snapshot, &beginning, now_ms, limit).await });
        let hashes = read.await?.into_iter().filter_map(|hash| TokenHash::try_from(&hash[..]).ok());
        // Of those who have left, it is here until all is erased.
        let hashes = hashes.filter(|hash| !parts.departures.has_left(hash));
        Ok(question.answer(SecretOf::Token, cells.own.name(), hashes))
    }

    /// Refuses what a cell passes here to open a session, where this cell's people come in through their own door alone.
    pub fn opens_to(&self, asking: &CellName) -> Result<()> {
        let Some((_, cells)) = self.parts() else { return Ok(()) };
        let document = cells.own.document();
        let (Some(own), Some(other)) = (document.cells.get(cells.own.name()), document.cells.get(asking)) else {
            return Err(ErrorKind::Forbidden.with("The cell is none of this deployment.").into());
        };
        if lets_through(cells, own, other) {
            return Ok(());
        }
        Err(ErrorKind::Forbidden.with("People of this cell come in through its own door alone.").into())
    }
}

/// What somebody is told whose home may be a cell that cannot be reached.
pub fn away() -> MatrixError {
    let text = "The place where your account is kept cannot be reached from here at the moment: nothing is lost, try again soon.";
    MatrixError { retry_after_ms: Some(AGAIN_MS), ..ErrorKind::Unavailable.with(text) }
}

/// What somebody is told who has moved to where no door leads from here.
fn moved_away() -> Error {
    let text = "Your account has moved to another part of the service, which is not reached by this address: sign in at the address that you were told. Nothing of yours is lost there; the keys of your messages are in this app, so do not let it delete them.";
    ErrorKind::ForgottenToken.with(text).into()
}

/// The other cells to which this one passes people.
fn passable(cells: &Cells) -> impl Iterator<Item = (&CellName, &Cell)> {
    let document = cells.own.document();
    let own = document.cells.get(cells.own.name());
    let others = document.cells.iter().filter(|(name, _)| *name != cells.own.name());
    others.filter(move |(_, cell)| own.is_some_and(|own| lets_through(cells, cell, own)))
}

/// Whether people whose home is one cell may come in through another: within a region always, since nothing leaves it then; else where the home's
/// region lets them in through any door, and the two may know of each other.
fn lets_through(cells: &Cells, home: &Cell, door: &Cell) -> bool {
    let document = cells.own.document();
    let any = || document.regions.get(&home.region).is_some_and(|policy| policy.front_door == Rule::Any);
    home.region == door.region
        || (any() && flow::between(document, &door.region, &home.region).rule != flow::Rule::Forbid)
}

fn user_id(name: &str, localities: &Localities) -> Option<OwnedUserId> {
    let server = localities.server_name();
    let user_id = if name.starts_with('@') { UserId::parse(name) } else { UserId::parse(format!("@{name}:{server}")) };
    user_id.ok().filter(|user_id| user_id.server_name() == server)
}
