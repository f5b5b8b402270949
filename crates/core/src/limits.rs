//! Bounds on what comes from outside that are not the operator's to choose.

/// Largest event in bytes, as canonical JSON with signatures (client-server specification, *Size limits*).
pub const EVENT_BYTES: usize = 65_535;
/// Largest id, event type or state key in bytes (the same section).
pub const ID_BYTES: usize = 255;
/// Deepest nesting of JSON that is read at all.
pub const JSON_DEPTH: usize = 100;
/// Largest body of an ordinary request in bytes. Uploads and key uploads have bounds of their own.
pub const BODY_BYTES: usize = 1024 * 1024;
/// Largest body of a request that carries many keys (key upload, key backup, to-device messages), in bytes.
pub const KEYS_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Largest body of another server's request in bytes: a transaction has at most 50 events and 100 ephemeral units.
pub const FEDERATION_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Largest page of events that is given at once.
pub const PAGE_EVENTS: usize = 1_000;
/// To-device messages that one sync carries.
pub const TO_DEVICE_PAGE: usize = 100;
/// Largest profile of a user in bytes (client-server specification, *Profiles*).
pub const PROFILE_BYTES: usize = 65_536;
/// Longest password in bytes that is hashed.
pub const PASSWORD_BYTES: usize = 512;
/// Longest wait of a `/sync` in milliseconds.
pub const SYNC_TIMEOUT_MS: u64 = 10 * 60 * 1_000;
