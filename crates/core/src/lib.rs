//! Words that every crate uses: identifiers, clock, randomness, error kinds, limits, configuration sections.
//!
//! Nothing here knows about tokio, SQL or HTTP.

pub mod calendar;
pub mod clock;
pub mod config;
pub mod error;
pub mod glob;
pub mod ids;
pub mod limits;
pub mod locality;
pub mod percent;
pub mod plural;
pub mod region;
pub mod rng;
