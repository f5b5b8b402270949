//! What the operator is told about, and what they do about it.

pub mod reports;

pub use reports::Reports;
