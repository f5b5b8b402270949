//! Whose home is where: tickets, which any cell can check offline, and the log of the directory, which only directory cells hold.
//!
//! A name is taken by an entry of the decider's log; the ticket says the same with the name in it. The log itself has keyed hashes of names,
//! so that who reads it without the key learns no name.

mod emergency;
mod log;
mod name;
mod pack;
mod ticket;

pub use emergency::{Emergency, NoEmergency, at_work};
pub use log::{Body, Broken, Entry, Log, Taken, Tip};
pub use name::{HashKey, HashKeys, NameHash};
pub use pack::{Damaged, Pack};
pub use ticket::{Authority, History, LetGo, Ticket, TicketError, Transfer};

#[cfg(test)]
mod tests;
