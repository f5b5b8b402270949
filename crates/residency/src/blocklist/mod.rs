//! Public registers of what is blocked: read as streams, searched for what is ours, and compared with what was found before.
//!
//! It is ours that is indexed (names by their labels, addresses by sorted ranges); the register streams by, so a million entries take no memory.
//! Nothing here opens a file, asks a server or looks at the clock.

mod address;
mod diff;
mod entry;
mod fields;
mod layout;
mod lines;
mod listing;
mod matcher;
mod name;
mod own;
mod part;
mod problem;
mod run;
mod source;
mod text;
mod xml;

pub use diff::{Change, Changes, compare};
pub use entry::{Aim, Entry, Fact, Kind, Sink};
pub use layout::{FORMATS, Format, Head, Layout};
pub use listing::{Broad, How, Key, Listing};
pub use matcher::{Found, Matcher, Odd};
pub use own::{Own, OwnError};
pub use part::{Limits, Part, read, unopened};
pub use problem::{Fault, Place, Problem, Problems};
pub use run::{Circumstances, Run, Warning};
