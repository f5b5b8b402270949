//! How far a move is: its states, and what its steps have found and done.

use std::collections::HashSet;

use domicile_residency::directory::{LetGo, Ticket};
use domicile_store::table::moves::Move;
use ruma::OwnedUserId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::messages::{Arrived, Confirmed};
use crate::{Error, Result};

/// What is done with a move next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was announced, and waits for its time. The person may object.
    Announced,
    /// The person has objected: it waits for the operator's decision.
    Objected,
    /// Rooms and files are copied, then the vault is handed over. Until then it can be stopped, and begins here again whatever happens.
    Copying,
    /// The home has let the person go, in a row that is signed. There is no way back.
    HandedOver,
    /// The directory has given them their new home.
    Issued,
    /// Their new home serves them.
    Left,
    /// Nothing of their vault is here any more. Other cells are told, and rooms that nobody here needs go.
    Erased,
    /// It is over.
    Done,
    /// It was stopped before anything was handed over.
    Stopped,
}

impl State {
    /// All of them, in their order.
    pub const ALL: [Self; 9] = [
        Self::Announced,
        Self::Objected,
        Self::Copying,
        Self::HandedOver,
        Self::Issued,
        Self::Left,
        Self::Erased,
        Self::Done,
        Self::Stopped,
    ];

    /// Its word in the database and on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Objected => "objected",
            Self::Copying => "copying",
            Self::HandedOver => "handed_over",
            Self::Issued => "issued",
            Self::Left => "left",
            Self::Erased => "erased",
            Self::Done => "done",
            Self::Stopped => "stopped",
        }
    }

    /// The state of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether it can be stopped.
    pub fn can_stop(self) -> bool {
        matches!(self, Self::Announced | Self::Objected | Self::Copying)
    }

    /// Whether it is over.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Stopped)
    }
}

/// What becomes of rooms into which the rules do not let somebody from their new region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forbidden {
    /// The person does not move.
    #[default]
    Refuse,
    /// The person leaves them.
    Leave,
}

/// A room that somebody would lose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForbiddenRoom {
    /// The room.
    pub room_id: String,
    /// Why.
    pub reason: String,
}

/// How many of something are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Of so many.
    pub of: u64,
    /// So many.
    pub done: u64,
}

/// What the steps have found and done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// What becomes of rooms that the rules forbid.
    #[serde(default)]
    pub forbidden: Forbidden,
    /// Those rooms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbidden_rooms: Vec<ForbiddenRoom>,
    /// Rooms that the person has left, whose past the rules keep at the old home.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_rooms: Vec<ForbiddenRoom>,
    /// Days for which the old address passes requests on.
    #[serde(default)]
    pub address_days: i64,
    /// What the person said against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objection: Option<String>,
    /// Who decided about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// Rooms of which the new home has a copy.
    #[serde(default)]
    pub rooms: Count,
    /// Events that were sent along.
    #[serde(default)]
    pub events: u64,
    /// Files.
    #[serde(default)]
    pub media: Count,
    /// Files that are named in this cell's database and whose contents are not there: they cannot come along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_files: Vec<String>,
    /// When requests began to wait, and for how long they did, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_ts: Option<i64>,
    /// See there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_ms: Option<i64>,
    /// Where the stream stood when the vault was read.
    #[serde(default)]
    pub read_at: i64,
    /// What the new home confirmed before anybody was let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmed>,
    /// The word with which this cell let them go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_go: Option<LetGo>,
    /// What the directory said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<Ticket>,
    /// What the new home confirmed when it served them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrived: Option<Arrived>,
    /// Cells that are still to be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<String>,
    /// Rooms whose copies may be needed by nobody here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_rooms: Vec<(String, i64)>,
    /// Rooms that did not go along. Which they were is not kept when the move is over.
    #[serde(default)]
    pub left_behind: u64,
    /// Room copies that went.
    #[serde(default)]
    pub dropped: u64,
    /// Rows and files that were erased here.
    #[serde(default)]
    pub erased: Count,
    /// This cell's receipt, signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Value>,
}

impl Progress {
    /// What of it is written down in a state. What somebody said against a move goes with their vault; when it is over, nothing names their rooms.
    pub(super) fn kept_in(&self, state: State) -> Self {
        let mut kept = self.clone();
        if state == State::Erased || state.is_over() {
            kept.objection = None;
        }
        if state.is_over() {
            // One that was left for the rules is then one whose past they keep.
            let rooms = kept.forbidden_rooms.iter().chain(&kept.kept_rooms).map(|room| room.room_id.as_str());
            kept.left_behind = rooms.collect::<HashSet<_>>().len() as u64;
            kept.forbidden_rooms.clear();
            kept.kept_rooms.clear();
            kept.left_rooms.clear();
            kept.tickets.clear();
            kept.untold.clear();
            kept.let_go = None;
        }
        kept
    }
}

/// A move as the operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Its name.
    pub move_id: String,
    /// Who moves.
    pub user_id: String,
    /// The cell to which they move.
    pub to: String,
    /// Its region.
    pub to_region: Option<String>,
    /// The region that they leave.
    pub from_region: String,
    /// What is done next.
    pub state: String,
    /// Who wants it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was announced, in milliseconds since the epoch.
    pub created_ts: i64,
    /// When it may begin.
    pub begin_ts: i64,
    /// When the next step is to be done.
    pub due_ts: i64,
    /// How often in a row the step failed.
    pub attempts: i64,
    /// Why, the last time.
    pub error: Option<String>,
    /// Until when the old address passes requests on.
    pub until_ts: Option<i64>,
    /// When it was over.
    pub ended_ts: Option<i64>,
    /// What was found and done.
    pub progress: Progress,
}

/// Moves to one cell that are in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The cell to which they go.
    pub to: String,
    /// Its region, if the document still has the cell.
    pub to_region: Option<String>,
    /// What is done with them next.
    pub state: String,
    /// How many there are.
    pub count: i64,
    /// When the first of them was announced, in milliseconds since the epoch.
    pub first_ts: i64,
    /// When the last of them was.
    pub last_ts: i64,
}

/// What a row says.
pub(super) fn of_row(row: &Move) -> Result<(State, Progress, OwnedUserId)> {
    let state = State::parse(&row.state);
    let state =
        state.ok_or_else(|| Error::internal(format!("a move is in the state `{}`, which there is not", row.state)))?;
    let progress = serde_json::from_str(&row.progress).map_err(Error::internal)?;
    let user_id = OwnedUserId::try_from(row.user_id.as_str()).map_err(Error::internal)?;
    Ok((state, progress, user_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_persons_goes_with_their_vault_and_their_rooms_at_the_end() {
        let room = |id: &str| ForbiddenRoom { room_id: id.to_owned(), reason: "the rules".to_owned() };
        let progress = Progress {
            objection: Some("I stay".to_owned()),
            forbidden_rooms: vec![room("!one:example.org")],
            kept_rooms: vec![room("!two:example.org")],
            left_rooms: vec![("!three:example.org".to_owned(), 3)],
            receipt: Some(Value::Bool(true)),
            ..Progress::default()
        };
        let text = |state: State| serde_json::to_string(&progress.kept_in(state)).unwrap();
        for state in State::ALL {
            let text = text(state);
            let keeps_words = !(state == State::Erased || state.is_over());
            assert_eq!(text.contains("I stay"), keeps_words, "{state:?}");
            assert_eq!(text.contains("example.org"), !state.is_over(), "{state:?}");
            assert!(text.contains("receipt"), "{state:?}");
        }
        assert_eq!(progress.kept_in(State::Done).left_behind, 2);
    }
}
