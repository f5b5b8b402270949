//! Where personal data may live, and what law asks of the service: classes, policies, duties, plans, without I/O.

pub mod blocklist;
pub mod cut;
pub mod deployment;
pub mod directory;
pub mod flow;
pub mod gateway;
pub mod inner;
pub mod interference;
pub mod planner;
pub mod standing;
