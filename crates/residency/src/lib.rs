//! Where personal data may live, and what law asks of the service: classes, policies, duties, plans, without I/O.

pub mod standing;
