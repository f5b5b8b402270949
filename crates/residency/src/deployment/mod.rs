//! The deployment document: which regions and cells there are, what may be copied from where to where, and whose signature means what.
//!
//! The document is one TOML file, the same in every cell. The operator's root key, which is kept offline, signs it; a cell takes no other.
//!
//! ```text
//! text --sign::verified()--> signed text --parse::read()--> Deployment --accept::accept()--> the one that holds from now on
//! ```

pub mod accept;
mod check;
mod doors;
pub mod edit;
mod fields;
mod gateways;
pub mod keys;
mod model;
pub mod parse;
mod read;
pub mod sign;

pub use keys::{KeyError, PublicKey, SecretKey};
pub use model::{
    Cell, CellKey, Decider, Deployment, FrontDoor, KeyStanding, OuterKey, Profiles, RegionPolicy, Retired, Revoked,
    Term,
};

#[cfg(test)]
pub(crate) mod tests;
