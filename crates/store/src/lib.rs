//! The one place with SQL: two engines, one schema, write batches, streams and blobs.
//!
//! A service reads what it needs from a [`Snapshot`], decides, and hands over one [`Batch`]: statements plus the guards that must hold.
//! The batch is applied whole or not at all, and what was committed is on disk when [`Store::write`] returns.

pub mod batch;
pub mod engine;
pub mod error;
pub mod event_id;
pub mod migrate;
pub mod numbers;
pub mod row;
pub mod table;
pub mod value;

pub use batch::{Batch, Committed};
pub use engine::{Snapshot, Store, StoreOptions};
pub use error::StoreError;
pub use row::Row;
pub use value::Value;
