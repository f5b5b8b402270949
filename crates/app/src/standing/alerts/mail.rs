//! Alerts as a mail. Pure.

use std::fmt::Write as _;

use domicile_core::{calendar::minute, plural::counted};
use sha2::{Digest, Sha256};

use super::Alert;

/// The subject and the text of a mail about alerts.
pub(super) fn written(service: &str, alerts: &[Alert]) -> (String, String) {
    let mut kinds: Vec<&str> = alerts.iter().map(|alert| alert.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let number = counted(alerts.len() as u64, "alert", "alerts");
    let subject = format!("[{service}] {number}: {}", kinds.join(", "));
    let mut text = String::new();
    for alert in alerts {
        let place = alert.code.as_ref().map(|code| format!(", {code}")).unwrap_or_default();
        let _ = writeln!(text, "{}{place}, since {} UTC", alert.kind, minute(alert.raised_ts));
        // Others' words are in it: what could end a line ends none.
        let what: String = alert.what.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        let _ = writeln!(text, "{what}\n");
    }
    text.push_str("`domicile alerts` lists everything that you should know.\n");
    (subject, text)
}

/// What tells this mail from every other one, and says nothing of what is in it.
pub(super) fn id(alerts: &[Alert], now_ms: i64) -> String {
    let mut hash = Sha256::new();
    for alert in alerts {
        hash.update(&alert.subject);
        hash.update([0]);
        hash.update(&alert.what);
        hash.update([0]);
    }
    let mut id = format!("alerts-{now_ms}-");
    for byte in hash.finalize().iter().take(8) {
        let _ = write!(id, "{byte:02x}");
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(kind: &str, code: Option<&str>, what: &str) -> Alert {
        Alert {
            subject: format!("{kind}:x"),
            kind: kind.to_owned(),
            code: code.map(str::to_owned),
            what: what.to_owned(),
            raised_ts: 1_780_000_000_000,
            told_ts: None,
            mailed_ts: None,
        }
    }

    #[test]
    fn a_mail_says_what_and_since_when() {
        let one = [alert("listed", Some("RU"), "It is\r\n.\r\nlisted.")];
        let (subject, text) = written("example.org", &one);
        assert_eq!(subject, "[example.org] 1 alert: listed");
        assert!(text.starts_with("listed, RU, since 2026-05-28 20:26 UTC\nIt is  .  listed.\n"), "{text}");
        let two = [one[0].clone(), alert("contacts", None, "Name somebody.")];
        assert_eq!(written("example.org", &two).0, "[example.org] 2 alerts: contacts, listed");
        assert_ne!(id(&one, 5), id(&two, 5));
    }
}
