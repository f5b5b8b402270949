//! The audit: every table is walked by the catalogue, and every row that is about somebody must be about somebody whose home is here, or be
//! one of those that may be elsewhere.

mod canary;
mod draw;
mod people;
mod push_gateways;
mod report;
mod rooms;
mod tables;
mod walk;

use std::sync::Arc;

use domicile_core::{clock::Clock, rng::Rng};
use domicile_store::{Keystore, Store};
use serde_json::Value;

pub use canary::Canary;
pub(super) use draw::Drawn;
pub use people::Homes;
pub(super) use rooms::List;
pub use tables::{Finding, TableCount};
pub(super) use walk::{Keys, Walk, Whereabouts};

use super::{AccessLog, Declared, Documents, Ledger, Signed, marks::Marks};
use crate::{Result, residency::Localities};

/// The kind of document that an audit is.
pub const KIND: &str = "audit";

/// Marks of people.
mod mark {
    /// The home is here.
    pub(super) const HERE: u8 = 1;
    /// The home is in another cell of the deployment.
    pub(super) const CELL: u8 = 2;
    /// The home is on another server.
    pub(super) const SERVER: u8 = 4;
    /// Is in a room of which there is a copy here.
    pub(super) const MET: u8 = 8;
    /// Is on the way here, which is not believed to make this their home.
    pub(super) const COMING: u8 = 16;
    /// Any home that is known.
    pub(super) const KNOWN: u8 = HERE | CELL | SERVER;

    /// Of rooms: there is a copy here.
    pub(super) const COPY: u8 = 1;
    /// Of rooms: somebody whose home is here justifies it.
    pub(super) const JUSTIFIED: u8 = 2;
}

/// What audits are made of.
pub struct AuditsParts {
    /// The database.
    pub store: Store,
    /// The keys of people's own.
    pub keystore: Arc<Keystore>,
    /// Where users are.
    pub localities: Arc<Localities>,
    /// Who looked at whose data.
    pub access_log: Arc<AccessLog>,
    /// What crossed a border.
    pub ledger: Arc<Ledger>,
    /// Where reports go.
    pub documents: Arc<Documents>,
    /// What the operator declares.
    pub declared: Declared,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// Makes audits and checks them.
pub struct Audits {
    pub(super) parts: AuditsParts,
    /// One walk at a time.
    walking: tokio::sync::Mutex<()>,
}

/// What a walk found.
pub struct Measured {
    /// People by where their home is.
    pub homes: Homes,
    /// Each table.
    pub tables: Vec<TableCount>,
    /// Room copies.
    pub rooms: rooms::Copies,
    /// Rows that must not be here.
    pub findings: tables::Findings,
    /// Keys of people in the keystore.
    pub keys: i64,
}

impl Measured {
    /// Rows that must not be here, those of the keystore with them.
    pub fn foreign(&self) -> i64 {
        self.tables.iter().map(|table| table.foreign).sum::<i64>() + self.findings.keys
    }
}

impl Audits {
    /// Of its parts.
    pub fn new(parts: AuditsParts) -> Self {
        Self { parts, walking: tokio::sync::Mutex::default() }
    }

    /// Where the reports are.
    pub fn documents(&self) -> &Documents {
        &self.parts.documents
    }

    /// This cell's name; that of the server where it is alone.
    pub(super) fn own_name(&self) -> String {
        let localities = &self.parts.localities;
        let own = localities.cells().map(|cells| cells.own.name().as_str().to_owned());
        own.unwrap_or_else(|| localities.server_name().to_string())
    }

    /// Whether another cell can have a report made now: one walk at a time is enough.
    pub fn check_idle(&self) -> Result<()> {
        if self.walking.try_lock().is_ok() {
            return Ok(());
        }
        Err(domicile_core::error::MatrixError::limit_exceeded(10_000).into())
    }

    /// Walks everything, and signs a report.
    pub async fn run(&self) -> Result<Signed> {
        self.run_observed(Vec::new()).await
    }

    /// The same, with what other cells have seen of this one.
    pub(super) async fn run_observed(&self, observed: Vec<Value>) -> Result<Signed> {
        let began_ts = self.parts.clock.now_ms();
        let (path, file) = self.parts.documents.attachment(ROOMS_PART)?;
        let measured = self.measure(List::into_file(file)).await?;
        let rooms_file = format!("rooms-{began_ts}.jsonl");
        std::fs::rename(&path, path.with_file_name(&rooms_file)).map_err(crate::Error::internal)?;
        let mut body = self.body(&measured, began_ts, &rooms_file).await?;
        body["observed_by_other_cells"]["all"] = Value::Array(observed);
        self.parts.documents.add(KIND, body).await
    }

    /// Walks everything. The room copies, each with the member that justifies it, go into `list`.
    async fn measure(&self, list: List) -> Result<Measured> {
        let _one = self.walking.lock().await;
        self.walk().measure(list).await
    }

    /// A walk over this server's own database.
    pub(super) fn walk(&self) -> Walk<'_> {
        let AuditsParts { store, keystore, localities, .. } = &self.parts;
        Walk::own(store, &**localities, Keys::Own(keystore))
    }

    /// The same without a list of rooms: what verification compares.
    pub(super) async fn measure_again(&self) -> Result<Measured> {
        self.measure(List::nowhere()).await
    }

    async fn body(&self, measured: &Measured, began_ts: i64, rooms_file: &str) -> Result<Value> {
        report::body(&self.parts, (measured, &self.push_gateways().await?), began_ts, rooms_file).await
    }
}

/// The list of rooms while it is being written.
const ROOMS_PART: &str = "rooms.part";

/// What the steps of a walk know of people.
type People = Marks;
