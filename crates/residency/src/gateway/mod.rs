//! What a gateway does with each operation of the Server-Server API: which cell answers for the deployment, and how answers become one.
//!
//! `rows` is the table, of which `docs/inner-routing.md` is the text, `operations` what a row says; `find` reads a request by it. `room_cells` finds out
//! which cells are in a room.

mod find;
mod operations;
pub mod room_cells;
mod rows;

pub use find::{Found, find};
pub use operations::{Operation, Route, Size, Told, table};
pub use rows::OPERATIONS;
