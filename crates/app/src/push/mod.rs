//! Push rules, and the counts that follow from them.

pub mod classes;
pub mod rules;
pub mod totals;
pub mod unread;

pub use classes::PushClasses;
pub use rules::PushRules;
pub use totals::Totals;
