//! Telling others: each destination has its place in the stream of positions on disk, and what concerns it is found from there, not queued.
//!
//! `dispatcher` hears the bell and runs one task for each destination that has something; `round` is that task: it has `draft` read what comes
//! next from one snapshot, hands it to the carrier, and moves the place on disk when it was taken. So a crash repeats something at worst, and
//! what repeats has an id by which the other side knows it. Rows are kept only for what goes to one destination; typing and presence are in
//! memory only.

mod carrier;
mod counts;
mod device_edus;
mod dispatcher;
mod draft;
mod lanes;
mod memory;
mod network;
mod passing;
mod passing_edus;
mod purge;
mod receipt_edus;
mod redirect;
mod rest;
mod round;
mod status;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use domicile_core::{
    clock::Clock,
    ids::DestinationNum,
    rng::{self, Rng},
};
use domicile_store::Store;
use ruma::{ServerName, api::federation::transactions::edu::Edu};
use serde_json::value::RawValue;

pub use carrier::{Carrier, Outcome, Transaction};
pub use counts::{Count, Counts};
pub use network::Network;
pub(crate) use purge::purge;
pub use status::Behind;

use self::{lanes::Lanes, memory::Memories, passing::Buffer};
use super::{Destinations, OutboundBell};
use crate::{
    Error, Result,
    accounts::{Devices, Users},
    ephemeral::Presence,
    events::{Events, wake::Wakers},
    evidence::Ledger,
    notes::Notes,
    residency::InnerLink,
    rooms::Rooms,
};

/// What the operator chooses.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutboundSettings {
    /// Whether other servers are told who is online.
    pub presence: bool,
    /// Whether other servers are told what people call their devices.
    pub device_names: bool,
    /// Whether destinations are counted by name.
    pub metrics_by_destination: bool,
}

/// What telling others is made of.
pub struct OutboundParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Destinations and their numbers.
    pub destinations: Arc<Destinations>,
    /// Says that there is something to tell.
    pub bell: Arc<OutboundBell>,
    /// Carries transactions.
    pub carrier: Arc<dyn Carrier>,
    /// Rooms in memory.
    pub rooms: Arc<Rooms>,
    /// Events in memory.
    pub events: Arc<Events>,
    /// The directory of users.
    pub users: Arc<Users>,
    /// The devices of local users.
    pub devices: Arc<Devices>,
    /// Who is online.
    pub presence: Arc<Presence>,
    /// What crossed a border.
    pub ledger: Arc<Ledger>,
    /// Who waits here.
    pub wakers: Arc<Wakers>,
    /// The link to other cells, if there are any.
    pub link: Option<Arc<InnerLink>>,
    /// What the operator chooses.
    pub settings: OutboundSettings,
}

/// Tells other servers and cells.
pub struct Outbound {
    parts: OutboundParts,
    memories: Memories,
    /// How far destinations have been told.
    places: Notes<DestinationNum>,
    buffer: Buffer,
    lanes: Lanes,
    counts: Counts,
    /// Begins the id of each transaction: no other process has it.
    incarnation: String,
    made: AtomicU64,
}

impl Outbound {
    /// Of its parts.
    pub fn new(parts: OutboundParts) -> Self {
        let incarnation = format!("{:x}{}", parts.clock.now_ms(), rng::name(&*parts.rng, 6));
        let counts = Counts::new(parts.settings.metrics_by_destination);
        Self {
            places: Notes::new(parts.store.clone()),
            parts,
            memories: Memories::default(),
            buffer: Buffer::default(),
            lanes: Lanes::new(),
            counts,
            incarnation,
            made: AtomicU64::new(0),
        }
    }

    /// A server has shown that it is there: [`OutboundBell::heard_from`].
    pub fn heard_from(&self, server_name: &ServerName) {
        self.parts.bell.heard_from(server_name);
    }

    /// Transactions, counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    fn transaction_id(&self) -> String {
        format!("{}-{}", self.incarnation, self.made.fetch_add(1, Ordering::Relaxed))
    }
}

/// An EDU as JSON.
fn edu(edu: &Edu) -> Result<Box<RawValue>> {
    serde_json::value::to_raw_value(edu).map_err(Error::internal)
}
