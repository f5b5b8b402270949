//! Requests between cells: how they are signed, and that each counts once.
//!
//! The connection is encrypted with the cells' own keys, so whoever reads a request here is its cell. The signature stays with a request that
//! another cell passes on, and says for which cell it was made, by which document, and which of its asker's requests it is.
//!
//! `proof` is how a cell shows that it has what another one asks for.

mod once;
mod proof;
mod request;
mod sealed;

pub use once::{Once, Repeated};
pub use proof::{ALIKE, Proofs, SecretOf, WhoseQuestion};
pub use request::{BadHeader, Header, RequestId, Said};
pub use sealed::{NotOpened, open, seal};

#[cfg(test)]
mod tests;
