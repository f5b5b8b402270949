//! Where people's data is.

mod localities;

pub use localities::Localities;
