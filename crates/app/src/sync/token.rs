//! Sync tokens: everything up to a position has been shown.

use domicile_core::{error::ErrorKind, ids::Position};

use crate::{Error, rooms::reader::GapPlace};

/// A place in the stream, as clients hold it: `s<position>_<typing>_<presence>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncToken {
    /// Everything up to here has been shown.
    pub position: Position,
    /// Changes of typing up to here have been shown.
    pub typing: u64,
    /// Changes of presence up to here have been shown.
    pub presence: u64,
}

impl std::fmt::Display for SyncToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s{}_{}_{}", self.position, self.typing, self.presence)
    }
}

impl std::str::FromStr for SyncToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = || {
            let (position, passing) = text.strip_prefix('s')?.split_once('_')?;
            let (typing, presence) = passing.split_once('_').unwrap_or((passing, "0"));
            Some(Self {
                position: Position(position.parse().ok()?),
                typing: typing.parse().ok()?,
                presence: presence.parse().ok()?,
            })
        };
        read().filter(|token| token.position.0 >= 0).ok_or_else(|| unknown(text))
    }
}

/// A place in a room's timeline, as `/messages` and `prev_batch` name it: between two events, `t<position>` is after the event of the position.
/// A sync token is one too.
pub fn timeline_position(text: &str) -> Result<Position, Error> {
    if let Some(position) = text.strip_prefix('t').and_then(|rest| rest.parse().ok()) {
        return Ok(Position(position));
    }
    text.parse::<SyncToken>().map(|token| token.position)
}

/// A place in a gap of a timeline, as `/messages` names it: `g<position>_<rank>`.
pub fn gap_place(text: &str) -> Option<GapPlace> {
    let (position, rank) = text.strip_prefix('g')?.split_once('_')?;
    let rank = if rank == "end" { GapPlace::BEYOND } else { rank.parse().ok().filter(|rank| *rank >= 0)? };
    Some(GapPlace { position: Position(position.parse().ok()?), rank })
}

/// The token of a place in a gap.
pub fn gap_token(place: GapPlace) -> String {
    match place.rank {
        GapPlace::BEYOND => format!("g{}_end", place.position),
        rank => format!("g{}_{rank}", place.position),
    }
}

/// The token of a place in a timeline.
pub fn timeline_token(position: Position) -> String {
    format!("t{position}")
}

fn unknown(text: &str) -> Error {
    ErrorKind::InvalidParam.with(format!("`{text}` is no token of this server.")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_nonsense_does_not() {
        let token = SyncToken { position: Position(42), typing: 7, presence: 9 };
        assert_eq!(token.to_string().parse::<SyncToken>().unwrap(), token);
        assert_eq!(timeline_position("t-5").unwrap(), Position(-5));
        assert_eq!(timeline_position("s42_7").unwrap(), Position(42));
        for rank in [0, 7, GapPlace::BEYOND] {
            let place = GapPlace { position: Position(42), rank };
            assert_eq!(gap_place(&gap_token(place)), Some(place));
        }
        assert!(["", "g", "g1", "g_", "g1_-1", "t1"].iter().all(|nonsense| gap_place(nonsense).is_none()));
        for nonsense in ["", "s", "s1", "s_1", "sx_1", "s-1_0", "s1_2_", "s1_2_3_4", "t", "s99999999999999999999_1"] {
            assert!(nonsense.parse::<SyncToken>().is_err(), "{nonsense}");
        }
    }
}
