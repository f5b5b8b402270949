//! The server as a library: the wiring, the serving and the command line. The binary does nothing but call [`commands::run`].

pub mod admin_socket;
pub mod commands;
pub mod first_start;
mod own_names;
pub mod serve;
pub mod telemetry;
pub mod wire;
