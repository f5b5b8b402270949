//! A censor that is real: hosts in network namespaces, and between them a box that forges, drops, resets, intercepts, shows a page of its own, holds
//! back, or cuts everything. `domicile probe` is run behind it as anybody runs it, and what it says is compared with what is done to it.
//!
//! ```text
//!   probe ----+---- middlebox ----+---- target   (matrix.example.test)
//!   abroad ---+  (only the probe  +---- names    (the provider's name server)
//!                is its business) +---- trusted  (a name server over UDP, TCP, TLS and HTTPS)
//!                                 +---- control  (what nobody has a reason to block)
//!                                 +---- ministry (its certificates, its page)
//! ```

mod deed;
mod hello;
mod middlebox;
mod names;
mod packet;
mod servers;
mod stage;

pub use deed::Deed;
pub use stage::{Seen, Stage};
