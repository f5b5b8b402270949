//! For tests: whole servers in a line, plays, and a file system that loses power.

pub mod courier;
pub mod driver;
pub mod fuse;
pub mod gateway;
pub mod operations;
pub mod plays;
pub mod postgres;
pub mod server;
