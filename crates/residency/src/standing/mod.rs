//! Where the service stands with the authorities: what each jurisdiction asks, whether that is triggered, and what the answer is.
//!
//! The catalogue of duties is data (`jurisdictions/*.toml`, explained in `docs/jurisdictions.md`); [`evaluate`] sets it against facts about
//! this deployment. It holds facts with their sources, not legal advice.

pub mod catalogue;
pub mod duty;
pub mod evaluate;
pub mod facts;
mod read;
mod table;
pub mod words;

pub use catalogue::Catalogue;
pub use duty::{Duty, Jurisdiction};
pub use evaluate::{Answer, Row, evaluate};
pub use facts::Facts;
