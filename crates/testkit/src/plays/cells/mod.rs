//! A deployment of several cells, each a real process: the demonstration, people who move between cells that are killed, people who talk
//! across links that are slow, lossy and cut, and what clients do when the old address of somebody who moved ends.

mod audits;
mod cell;
pub mod demo;
mod deployment;
pub mod farewell;
pub mod links;
pub mod moving;
mod people;

pub use cell::Cell;
pub use deployment::{Deployment, NAME, Outside, Plan};
