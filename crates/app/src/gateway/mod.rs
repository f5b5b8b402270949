//! Other people's servers and a deployment of several cells: to them it is one server.
//!
//! ```text
//! cell --outward--> (its gateway) --> other server        other server --> inward --> the cells that know
//! ```
//!
//! `outward` carries what cells ask and tell, each an `errand`, with the `bodies` as others believe them. `inward` is what is asked of the deployment: each
//! request has its place in `turns`, and of cells' `answers` one is made. Parts of it are `pages` for lists of rooms, `users` for people, `proofs` for aliases
//! and tokens, `files`, and `deliver` for transactions, with the `spool` for cells that are not reached; `lookups` bounds what the directory is asked for them.
//! `signatures` replaces cells' signatures by the one that others know, `room_index` knows which cells are in which room, and `edus` of whom an EDU speaks.
//! `docs/inner-routing.md` has each operation.

mod answers;
mod bodies;
mod deliver;
mod edus;
mod errand;
mod files;
mod inward;
mod lookups;
mod outward;
mod pages;
mod proofs;
mod room_index;
mod signatures;
mod speakers;
mod spool;
mod turns;
mod users;

use std::sync::Arc;

pub use answers::OuterBody;
pub use errand::{ASK, Errand};
pub use inward::{Asked, FOR, Here, Inward, InwardParts, UNSIGNED, concerns_cells, is_open};
pub use outward::{Outward, OutwardParts, WHERE};
pub use room_index::{CAME, Came, ROOMS, ROOMS_AT_ONCE, RoomIndex, RoomsAnswer, RoomsQuestion};
pub use signatures::{OuterSignatures, SignaturesParts};
pub use speakers::Speakers;
pub use spool::{SPOOLED, Spool, Spooled};
pub use turns::Turn;

/// The gateway of a cell, as far as there is one.
#[derive(Default)]
pub struct Gateway(Option<GatewayParts>);

/// What a cell of a deployment has of it. Whether it is a gateway for anybody, the deployment document says.
pub struct GatewayParts {
    /// What goes out.
    pub outward: Arc<Outward>,
    /// What comes in.
    pub inward: Arc<Inward>,
    /// Which cells are in which room.
    pub rooms: Arc<RoomIndex>,
    /// What waits for cells that were not reached.
    pub spool: Arc<Spool>,
}

impl Gateway {
    /// Of a cell of a deployment.
    pub fn new(parts: GatewayParts) -> Self {
        Self(Some(parts))
    }

    /// The parts, in a cell of a deployment.
    pub fn parts(&self) -> Option<&GatewayParts> {
        self.0.as_ref()
    }
}
