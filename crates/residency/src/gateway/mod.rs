//! What a gateway does with each operation of the Server-Server API: which cell answers for the deployment, and how answers become one.
//!
//! `operations` is the table, of which `docs/inner-routing.md` is made; `find` reads a request by it.

mod find;
mod operations;

pub use find::{Found, escaped, find, unescaped};
pub use operations::{OPERATIONS, Operation, Route, Told, table};
