//! Whatever bytes come as a filter: an error or a filter that says the same when it is stored and read again.

use ruma::api::client::filter::FilterDefinition;

/// The bytes as a client's filter.
pub fn run(data: &[u8]) {
    let Ok(filter) = serde_json::from_slice::<FilterDefinition>(data) else { return };
    let stored = serde_json::to_string(&filter);
    let again = stored.as_ref().ok().and_then(|stored| {
        let filter: FilterDefinition = serde_json::from_str(stored).ok()?;
        serde_json::to_string(&filter).ok()
    });
    assert!(stored.is_ok() && again == stored.ok(), "a filter changes when it is stored");
}
