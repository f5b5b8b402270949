//! A deployment of several cells, each a real process: the demonstration, and people who move between cells that are killed.

mod cell;
pub mod demo;
mod deployment;
pub mod moving;

pub use cell::Cell;
pub use deployment::{Deployment, NAME, Plan};
