//! All that somebody tries who has a cell's key and disk, before the others hear of the theft and after. What comes of each attempt stands in
//! `docs/stolen-cell.md`, which this test compares, and writes where `DOMICILE_WRITE` is set.

mod between;
mod former_homes;
mod kept;
mod restored;
mod theft;

use std::fmt::Write as _;

use domicile_testkit::cluster::{Cluster, Forger};
use ruma::UserId;
use serde_json::{Value, json};

use Came::{Nothing, Refused, Succeeds};
use theft::Theft;

use crate::{V3, document, read, say};

const INNER: &str = "/_domicile/inner/v1";
const FORGED: &str = "forged";

/// What comes of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    NoConnection,
    Refused,
    Nothing,
    Succeeds,
}

impl Came {
    fn words(self) -> &'static str {
        match self {
            Self::NoConnection => "no connection",
            Self::Refused => "refused",
            Self::Nothing => "nothing comes of it",
            Self::Succeeds => "**succeeds**",
        }
    }
}

/// The same, and with which words it was refused: a status and an errcode, or why an event is not taken.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    came: Came,
    why: String,
}

impl From<Came> for Outcome {
    fn from(came: Came) -> Self {
        Self { came, why: String::new() }
    }
}

impl Outcome {
    fn of(answer: &Result<(u16, Value), String>) -> Self {
        match answer {
            Err(_) => Came::NoConnection.into(),
            Ok((200, _)) => Came::Succeeds.into(),
            Ok((status, told)) => Self::refused(format!("{status} {}", told["errcode"].as_str().unwrap_or_default())),
        }
    }

    fn refused(why: String) -> Self {
        Self { came: Came::Refused, why }
    }
}

/// An attempt in words, and what came of it before and after the cell was revoked.
type Row = (&'static str, Came, Came);

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    Pose,
    Say(Who),
    SayEarlier,
    Rule,
    MakeLeave,
    Letter,
    Typing,
    Devices,
    TakeName,
    TakeNewName,
    Kidnap,
    FetchBack,
    LookUpStranger,
    LookUpAcquaintance,
    ProfileOfStranger,
    KeysOfStranger,
    Enter,
    ReadState,
    ReadPast,
    ReadEvent,
    BringSomebody,
    TakeOver,
    ReadShared,
    GiveAway,
    Present,
    ReadReport,
}

/// In whose name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Other,
    Moved,
    Own,
}

const FORBIDDEN: &str = "403 M_FORBIDDEN";
/// With which words an event is refused whose signature is no key of its sender's home.
const NO_KEY: &str = "no key of example.org is known with which the event is signed";
/// The same of one in the name of somebody whose home now does not have it.
const NOT_KNOWN: &str = "the cell was the home of its sender, and the home that they have now does not know it";

/// Each attempt in words, what has to come of it until the cell is revoked, and the beginning of the words with which it is refused: so that
/// none is refused for another reason than the one that it is about. What succeeds is what the stolen cell's own people could do.
const ATTEMPTS: [(Aim, &str, Came, &str); 28] = [
    (Aim::Pose, "speak as another cell", Refused, "401 M_UNAUTHORIZED"),
    (Aim::Say(Who::Other), "say something as somebody of another cell", Refused, NO_KEY),
    (Aim::Say(Who::Moved), "say something as somebody who has moved to another cell", Refused, NOT_KNOWN),
    (Aim::SayEarlier, "the same, dated to when their home was here", Refused, NOT_KNOWN),
    (Aim::Rule, "change a room's power levels as somebody of another cell", Refused, NO_KEY),
    (Aim::MakeLeave, "make somebody of another cell leave a room", Refused, FORBIDDEN),
    (Aim::Letter, "send a message to a device as somebody of another cell", Nothing, ""),
    (Aim::Typing, "show somebody of another cell as typing", Nothing, ""),
    (Aim::Devices, "announce a device of somebody of another cell", Nothing, ""),
    (Aim::TakeName, "take a name that somebody has", Refused, "400 M_USER_IN_USE"),
    (Aim::Kidnap, "have the directory move somebody of another cell here", Refused, FORBIDDEN),
    (Aim::FetchBack, "have the directory move somebody back who has moved away", Refused, FORBIDDEN),
    (
        Aim::BringSomebody,
        "announce that somebody of another cell moves, as if their home were here",
        Refused,
        FORBIDDEN,
    ),
    (Aim::TakeOver, "tell a cell that somebody's home is there, without the directory's word", Refused, FORBIDDEN),
    (
        Aim::Present,
        "bring a directory at work homes that it did not give, as if it had been restored",
        Refused,
        "400 M_UNKNOWN",
    ),
    (Aim::ReadReport, "have a cell of a region that is trusted tell its audit report", Refused, FORBIDDEN),
    (Aim::Enter, "join a private room in which nobody of here is", Refused, FORBIDDEN),
    (Aim::ReadState, "read the state of such a room", Refused, FORBIDDEN),
    (Aim::ReadPast, "read the past of such a room", Refused, FORBIDDEN),
    (Aim::ReadEvent, "read an event of such a room", Refused, FORBIDDEN),
    (Aim::LookUpAcquaintance, "ask the directory about somebody whom people here have met", Succeeds, ""),
    (
        Aim::LookUpStranger,
        "ask the directory in which cell somebody is whose exact name they know (10 a second)",
        Succeeds,
        "",
    ),
    (Aim::ProfileOfStranger, "ask for the profile of somebody whose exact name they know", Succeeds, ""),
    (Aim::KeysOfStranger, "ask for the public device keys of somebody whose exact name they know", Succeeds, ""),
    (Aim::ReadShared, "read a room in which people of here are", Succeeds, ""),
    (Aim::TakeNewName, "take a name that nobody has", Succeeds, ""),
    (Aim::Say(Who::Own), "say something as somebody of here", Succeeds, ""),
    (Aim::GiveAway, "let somebody of here go to another cell", Succeeds, ""),
];

/// The tickets of somebody whom a cell knows.
fn tickets_of(cluster: &Cluster, cell: &str, user_id: &UserId) -> Vec<Value> {
    let tickets = &cluster.cell(cell).services.users.localities().cells().unwrap().tickets;
    tickets.get(user_id).unwrap().tickets().iter().map(|ticket| json!(ticket)).collect()
}

/// Tickets by which the home of somebody whom `cell` knows is another one, as whoever has the key of `ru1` can make them: one that follows the last, a first one, and the last
/// with another home and the signature that it had.
fn forged_tickets(
    (cluster, forger): (&Cluster, &Forger),
    (cell, user_id): (&str, &UserId),
    to: &str,
) -> [Vec<Value>; 3] {
    let tickets = &cluster.cell(cell).services.users.localities().cells().unwrap().tickets;
    let history = tickets.get(user_id).unwrap();
    let (first, last) = (history.tickets().first().unwrap(), history.tickets().last().unwrap());
    let key = (last.term, cluster.key("ru1"));
    let mut next = last.clone();
    let signature = forger.lets_go(user_id, (&last.home, to), (last.epoch, &last.hash()));
    (next.home, next.epoch, next.previous) = (to.to_owned(), last.epoch + 1, Some(last.hash()));
    next.authority = Some(serde_json::from_value(json!({ "by": "home", "signature": signature })).unwrap());
    let (mut instead, mut altered) = (first.clone(), last.clone());
    for ticket in [&mut instead, &mut altered] {
        to.clone_into(&mut ticket.home);
    }
    let mut followed = tickets_of(cluster, cell, user_id);
    followed.push(json!(next.again(key)));
    [followed, vec![json!(instead.again(key))], vec![json!(altered)]]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stolen_cell_can_do_is_what_is_documented() {
    let mut theft = Theft::prepare().await;
    let keys = json!({ "device_keys": domicile_testkit::identity::device(theft.clara.id(), &theft.clara.device_id) });
    theft.clara.post(&format!("{V3}/keys/upload"), &keys).await.ok();
    let before_room = read(&theft.alice, &theft.shared).await.len();
    let mut wrong = Vec::new();
    for (aim, what, came, why) in ATTEMPTS {
        let outcome = theft.attempt(aim, "before").await;
        if outcome.came != came || !outcome.why.starts_with(why) {
            wrong.push(format!("{what}: {outcome:?}, not {came:?}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        read(&theft.alice, &theft.shared).await.len(),
        before_room + 1,
        "what is said as somebody of theirs, and no more"
    );
    Box::pin(theft.cluster.revoke("ru1")).await;
    theft.forger = theft.cluster.forger(Some("ru1"), "eu1");
    let mut table = "| Somebody with the cell's key and disk tries to … | before it is revoked | afterwards |\n| --- | --- | --- |\n".to_owned();
    for (aim, what, before, _) in ATTEMPTS {
        let after = theft.attempt(aim, "after").await.came;
        assert_eq!(after, Came::NoConnection, "{what}: after the cell was revoked");
        let _ = writeln!(table, "| {what} | {} | {} |", before.words(), after.words());
    }
    let mut rows = vec![Box::pin(kept::attempt()).await, Box::pin(restored::attempt()).await];
    rows.extend(Box::pin(between::attempts()).await);
    for (what, before, after) in rows {
        assert_eq!(after, Came::NoConnection, "{what}: after the cell was revoked");
        let _ = writeln!(table, "| {what} | {} | {} |", before.words(), after.words());
    }
    // Who left the cell before it was revoked is at home where they went.
    let moved = json!({
        "user_id": theft.moved.id(), "device_id": theft.moved.device_id, "access_token": theft.moved.token.clone().unwrap(),
    });
    let moved = theft.cluster.cell("eu1").with_token(&moved);
    assert_eq!(moved.get(&format!("{V3}/account/whoami")).await.ok()["user_id"], moved.id());
    say(&moved, &theft.shared, "from-her-new-home").await;
    let alice = theft.cluster.user("eu1", "alice");
    assert_eq!(read(&alice, &theft.shared).await.len(), before_room + 2, "what she says, and nothing of the thief");
    document::compare(&table);
}
