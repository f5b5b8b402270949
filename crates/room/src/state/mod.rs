//! State: the shared trees that hold it, and its resolution.

pub mod resolve;
pub mod tree;
