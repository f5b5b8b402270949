//! What passes: typing. It is never on disk.

pub mod typing;

pub use typing::Typing;
