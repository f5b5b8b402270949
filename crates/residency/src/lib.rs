//! Where personal data may live: classes, policies, plans, without I/O.

pub mod interference;
