//! Where the service stands with authorities, and what people are told of it.
//!
//! The law is data of the crate `residency`, and so is the comparison with facts; here the facts are gathered, and what is decided is written down.

pub mod addresses;
pub mod alerts;
mod cut_notices;
mod cut_words;
pub mod demands;
pub mod dossiers;
mod duties;
mod evidence;
pub mod incidents;
mod jurisdictions;
mod key_notices;
mod move_notices;
pub mod notices;
mod processing;
mod reason;
mod region_notices;
mod settings;
pub mod signs;
pub mod status;
mod teller;

pub use addresses::Addresses;
pub use alerts::Alerts;
pub use cut_notices::CutNotices;
pub use demands::Demands;
pub use dossiers::Dossiers;
pub use duties::{Duties, DutyText, Line, Section, Table};
pub use evidence::{Ages, Evidence, KeptEvidence};
pub use incidents::Incidents;
pub use jurisdictions::{Jurisdictions, Noted};
pub use key_notices::KeyNotices;
pub use move_notices::MoveNotices;
pub(crate) use notices::is_notice_room;
pub use notices::{Notices, Told};
pub use processing::{Processing, Recipients};
pub use region_notices::RegionNotices;
pub use settings::StandingSettings;
pub use signs::Signs;
pub use status::{Language, StatusPage, Written};
pub use teller::Teller;

use domicile_core::error::ErrorKind;

use crate::Result;

/// Longest name of who did something, and longest line, in bytes.
const LINE_BYTES: usize = 500;
/// Longest text in bytes.
const TEXT_BYTES: usize = 8_000;

/// A line that a person wrote: something, and nothing that moves a cursor.
fn line(what: &str, text: &str) -> Result<String> {
    bounded(what, text, LINE_BYTES, char::is_control)
}

/// A text that a person wrote.
fn text(what: &str, text: &str) -> Result<String> {
    bounded(what, text, TEXT_BYTES, |letter| letter.is_control() && letter != '\n' && letter != '\t')
}

fn bounded(what: &str, text: &str, most: usize, is_bad: impl Fn(char) -> bool) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(ErrorKind::InvalidParam.with(format!("{what} is empty.")).into());
    }
    if text.len() > most {
        return Err(ErrorKind::InvalidParam.with(format!("{what} has more than {most} bytes.")).into());
    }
    if text.chars().any(is_bad) {
        return Err(ErrorKind::InvalidParam.with(format!("{what} has a control character in it.")).into());
    }
    Ok(text.to_owned())
}

/// A country's or jurisdiction's code.
fn code(code: &str) -> Result<String> {
    if code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(code.to_owned());
    }
    let what = format!("`{code}` is no country's code: use two capital letters (ISO 3166) such as DE.");
    Err(ErrorKind::InvalidParam.with(what).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_texts_and_codes_are_bounded() {
        assert_eq!(line("A name", "  Ada ").unwrap(), "Ada");
        for bad in ["", "  ", "a\nb", "\u{1b}[2J", &"x".repeat(501)] {
            assert!(line("A name", bad).is_err(), "{bad:?}");
        }
        assert!(text("A reason", "a\nb").is_ok());
        assert!(text("A reason", "a\u{7}").is_err());
        assert!(code("DE").is_ok());
        for bad in ["de", "DEU", "", "D1", "Ü"] {
            assert!(code(bad).is_err(), "{bad}");
        }
    }
}
