//! What one administrator asks for and another one confirms, with a name of their own: until there are roles of administrators, the names are what the
//! operators give. Where the system tells who asks, it has to be somebody else, too.

use std::os::unix::fs::MetadataExt as _;

use domicile_core::clock::DAY_MS;

use crate::{Result, error::forbidden, evidence::access_log::Operator};

/// How long a request waits to be confirmed, in milliseconds.
const WAITS_MS: i64 = 7 * DAY_MS;

/// Who asked for something: their name, and their account on the machine if the system told it.
pub(crate) type Asked<'a> = (&'a str, Option<u32>);

/// Whether somebody may confirm, at a time, what somebody else asked for at another one. `what` is what that is, in words.
pub(crate) fn check((asked, asked_ts): (Asked<'_>, i64), (by, now_ms): (&Operator, i64), what: &str) -> Result<()> {
    let (asked_by, asked_uid) = asked;
    if let Some(uid) = by.uid.filter(|uid| asked_uid == Some(*uid) && !is_shared(*uid, own_uid())) {
        return Err(forbidden(format!(
            "{asked_by} asked for {what} as the account {uid} of this machine. Somebody else has to confirm it, with an account of their own."
        )));
    }
    if same_name(asked_by, &by.name) {
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

/// Whether several people may be one account of the machine: that of the superuser, and that as which the server runs, which owns its socket. Of these
/// the names tell more. If it is not known as which the server runs, it may be any.
fn is_shared(uid: u32, own: Option<u32>) -> bool {
    uid == 0 || own.is_none_or(|own| own == uid)
}

fn own_uid() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|own| own.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_confirms_what_they_asked_for_with_another_name() {
        let own = own_uid().unwrap();
        let personal = own + 1;
        let confirm = |asked: Asked<'_>, name: &str, uid: Option<u32>| {
            check((asked, 0), (&Operator { name: name.to_owned(), uid }, 1), "this").is_ok()
        };
        assert!(!confirm(("ada", None), " ADA ", None));
        assert!(confirm(("ada", None), "grace", None));
        assert!(!confirm(("ada", Some(personal)), "grace", Some(personal)));
        assert!(confirm(("ada", Some(personal)), "grace", Some(personal + 1)));
        assert!(!confirm(("ada", Some(personal)), "ada", Some(personal + 1)));
        // Accounts that several people use say nothing of who it is.
        for shared in [0, own] {
            assert!(confirm(("ada", Some(shared)), "grace", Some(shared)), "{shared}");
        }
    }
}
