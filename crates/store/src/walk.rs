//! Walking the tables by the catalogue: the statements follow from its entries, so a new table is walked without a new statement.
//!
//! A walk goes in steps of some hundred thousand rows, each a read of its own: memory stays flat, and no snapshot stands long. What is
//! written meanwhile may be seen or not.

pub mod carry;
pub mod count;
pub mod erase;
pub mod rows;
pub mod statements;

pub use count::{Count, count};
pub use rows::{Named, named};
pub use statements::Subject;
