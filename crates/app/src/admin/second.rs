//! What one administrator asks for and another one confirms, with a name of their own: until there are roles of administrators, the names are what the
//! operators give.

use domicile_core::clock::DAY_MS;

use crate::{Result, error::forbidden};

/// How long a request waits to be confirmed, in milliseconds.
const WAITS_MS: i64 = 7 * DAY_MS;

/// Whether somebody may confirm, at a time, what somebody else asked for at another one. `what` is what that is, in words.
pub(crate) fn check((asked_by, asked_ts): (&str, i64), (by, now_ms): (&str, i64), what: &str) -> Result<()> {
    if same_name(asked_by, by) {
        return Err(forbidden(format!(
            "{asked_by} asked for {what}. Somebody else has to confirm it, with their own name."
        )));
    }
    if now_ms > asked_ts.saturating_add(WAITS_MS) {
        return Err(forbidden("The request has waited for more than a week: ask again."));
    }
    Ok(())
}

fn same_name(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}
