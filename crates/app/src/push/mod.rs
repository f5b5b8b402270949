//! Push rules, and the counts that follow from them.

pub mod rules;
pub mod totals;

pub use rules::PushRules;
pub use totals::Totals;
