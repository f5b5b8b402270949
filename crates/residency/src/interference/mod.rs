//! Whether somebody between a place and a deployment interferes with the way between them.
//!
//! `measurement` is what was seen, `failure` how each step failed, `outside` what another place saw of the same target. `verdict` is a pure function of
//! these: it accuses nobody on one lost packet, and says on what it rests.

pub mod bounds;
pub mod failure;
pub mod measurement;
pub mod ooni;
pub mod outside;
pub mod page;
pub mod report;
pub mod verdict;

pub use failure::Failure;
pub use measurement::{
    Certificate, Control, DnsQuery, Download, HttpRequest, Measurement, Role, Run, Sni, Span, Target, TcpConnect,
    TlsHandshake, Transport, Vantage,
};
pub use outside::Outside;
pub use report::Report;
pub use verdict::{Kind, Past, Verdict, judge};
