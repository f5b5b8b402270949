//! The one place with SQL: two engines, one schema, write batches, streams and blobs.
