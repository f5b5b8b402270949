//! The five memberships as a value.

/// A user's membership in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Membership {
    /// A member.
    Join,
    /// Asked to come.
    Invite,
    /// Asks to come.
    Knock,
    /// Gone, or never there.
    Leave,
    /// Kept out.
    Ban,
}

impl Membership {
    /// Matrix's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Invite => "invite",
            Self::Knock => "knock",
            Self::Leave => "leave",
            Self::Ban => "ban",
        }
    }

    /// The membership that Matrix's word means; an unknown word is a leave, as nothing follows from it.
    pub fn parse(word: &str) -> Self {
        match word {
            "join" => Self::Join,
            "invite" => Self::Invite,
            "knock" => Self::Knock,
            "ban" => Self::Ban,
            _ => Self::Leave,
        }
    }
}
