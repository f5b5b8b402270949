//! Push rules, and the counts that follow from them.

pub mod totals;

pub use totals::Totals;
