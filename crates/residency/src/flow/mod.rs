//! What may be copied from one region's people into another region, and what may not, each with a sentence that says why.
//!
//! `rule` decides between two regions, `crossing` about one event of a room that crosses, `file` about a file, `room` about a room as a whole, and
//! `outer` about other people's servers. A sentence for a person names the rule, never another person's region.

mod crossing;
mod file;
mod outer;
mod relay;
mod room;
mod rule;

pub use crossing::{Crosses, CrossingSettings, EventShape, crosses, crosses_openly};
pub use file::{SAMPLE, looks_encrypted};
pub use outer::{Outer, may_share, to_destination, to_server};
pub use relay::may_relay;
pub use room::{FENCE, Fence, Joining, may_join};
pub use rule::{Decision, Flow, Rule, between, one_way};

#[cfg(test)]
mod tests;
