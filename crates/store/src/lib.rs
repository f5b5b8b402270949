//! The one place with SQL: two engines, one schema, write batches, streams and blobs.
//!
//! A service reads what it needs from a [`Snapshot`], decides, and hands over one [`Batch`]: statements plus the guards that must hold.
//! The batch is applied whole or not at all, and what was committed is on disk when [`Store::write`] returns.

pub mod backup;
pub mod batch;
pub mod blob;
pub mod catalogue;
pub mod engine;
pub mod error;
pub mod event_id;
pub mod keystore;
pub mod migrate;
pub mod numbers;
pub mod row;
pub mod seal;
pub mod table;
pub mod value;
pub mod walk;

pub use batch::{Batch, Committed};
pub use blob::{BlobId, Blobs};
pub use engine::{Changes, Moment, Snapshot, Store, StoreOptions};
pub use error::StoreError;
pub use keystore::{KeyOwners, Keystore, KeystoreOptions, KeystorePlace, MasterSource};
pub use row::Row;
pub use seal::UserKey;
pub use value::Value;
