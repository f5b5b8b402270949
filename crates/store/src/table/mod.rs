//! One file a noun: the statements over its tables, as functions that read from a snapshot or add to a batch.

pub mod account_data;
pub mod aliases;
pub mod cross_signing;
pub mod dehydrated_devices;
pub mod device_keys;
pub mod device_lists;
pub mod devices;
pub mod events;
pub mod filters;
pub mod jobs;
pub mod key_backup;
pub mod key_signatures;
pub mod memberships;
pub mod one_time_keys;
pub mod profile_fields;
pub mod receipts;
pub mod registration_tokens;
pub mod rooms;
pub mod server_keys;
pub mod state;
pub mod sync;
pub mod to_device;
pub mod tokens;
pub mod transactions;
pub mod uia_sessions;
pub mod users;
