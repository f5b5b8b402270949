//! A room's state: stored as a tree of shared nodes, and what it is where branches meet.

pub mod change;
pub mod resolve;
pub mod tree;
