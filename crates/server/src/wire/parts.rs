//! What the wiring takes, and what it gives.

use std::{path::PathBuf, sync::Arc};

use domicile_app::{
    admin::Health,
    blocklists::Blocklists,
    e2ee::DeviceListCopies,
    events::Ingest,
    evidence::Ledger,
    federation::{Completion, Gate, Outbound, Peers, outbound::Carrier},
    gateway::Gateway,
    jobs::Jobs,
    moves::Moves,
    probes::Probes,
    push::{Delivery, Gateways},
    residency::InnerLink,
    restore::{Keeper, Restorer},
};
use domicile_core::{clock::Clock, rng::Rng};
use domicile_egress::federation::Dns;
use domicile_http::{admin::AdminServices, state::Services};
use domicile_store::{Keystore, Store};
use tokio_util::sync::CancellationToken;

/// What the wiring needs from outside.
pub struct Surroundings {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Told when the server stops.
    pub stopping: CancellationToken,
    /// The keys of people's own.
    pub keystore: Arc<Keystore>,
    /// The folder of media.
    pub media: PathBuf,
    /// Carries what other servers are told, if it is not the network.
    pub carrier: Option<Arc<dyn Carrier>>,
    /// The name system, for finding other servers.
    pub dns: Arc<dyn Dns>,
}

/// Everything, ready to serve.
pub struct Wired {
    /// What the Client-Server API asks.
    pub services: Services,
    /// What the operator's API asks.
    pub admin: AdminServices,
    /// The state of what the server depends on.
    pub health: Arc<Health>,
    /// What crossed a border.
    pub ledger: Arc<Ledger>,
    /// Work that changes left behind.
    pub jobs: Arc<Jobs>,
    /// Notifications to push gateways.
    pub delivery: Arc<Delivery>,
    /// Push gateways as they were found.
    pub gateways: Arc<Gateways>,
    /// What other servers are told.
    pub outbound: Arc<Outbound>,
    /// Asks other servers.
    pub peers: Arc<Peers>,
    /// Looks at the ways to this deployment.
    pub probes: Arc<Probes>,
    /// Takes events of other servers.
    pub ingest: Arc<Ingest>,
    /// Watches registers of what is blocked.
    pub blocklists: Arc<Blocklists>,
    /// Makes rooms whole that were joined without their members.
    pub completion: Arc<Completion>,
    /// Copies of other people's devices.
    pub copies: Arc<DeviceListCopies>,
    /// What speaks to other servers for all cells.
    pub gateway: Arc<Gateway>,
    /// The link to other cells, if there are any.
    pub link: Option<Arc<InnerLink>>,
    /// What the deployment's document says of other servers.
    pub gate: Option<Gate>,
    /// Moves people between cells.
    pub moves: Arc<Moves>,
    /// Brings a restored cell to where the others are.
    pub restorer: Arc<Restorer>,
    /// What this cell keeps for others, and leaves with them.
    pub keeper: Arc<Keeper>,
    /// The database.
    pub store: Store,
}
