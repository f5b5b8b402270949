//! State: the shared trees that hold it, and its resolution.

pub mod change;
pub mod tree;
