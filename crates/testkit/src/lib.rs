//! For tests: whole servers in a line, plays, a file system that loses power, links that are cut, and a censor.

pub mod censor;
pub mod chance;
pub mod cluster;
pub mod courier;
pub mod driver;
pub mod fuse;
pub mod gateway;
pub mod identity;
pub mod link;
pub mod mail;
pub mod operations;
pub mod package;
pub mod plays;
pub mod port;
pub mod postgres;
pub mod proxy;
pub mod punctuation;
pub mod server;
pub mod showcase;
pub mod tap;
