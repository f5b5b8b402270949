//! Where personal data may live: classes, policies, plans, without I/O.

pub mod blocklist;
pub mod deployment;
pub mod directory;
pub mod flow;
pub mod inner;
pub mod interference;
