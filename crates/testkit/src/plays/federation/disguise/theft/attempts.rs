//! What a thief of a cell tries towards Synapse, and how one sees what came of it.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use axum::http::Method;
use serde_json::{Value, json};

use super::super::super::http::escape;
use super::super::super::person::Person;
use super::Aims;
use super::thief::Thief;

/// How long is waited for something to come to Synapse's person.
const MOMENT: Duration = Duration::from_secs(4);
/// The type of a message to a device that nobody sends.
const LETTER: &str = "org.domicile.play.forged";
/// The name of a device that nobody has.
const DEVICE: &str = "FORGEDDEVICE";

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// Not even a connection.
    NoConnection,
    /// It was refused.
    Refused,
    /// It was answered, and Synapse heard none of it.
    Nothing,
    /// It succeeded.
    Taken,
}

impl Came {
    /// In the page's words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::NoConnection => "no connection",
            Self::Refused => "refused",
            Self::Nothing => "nothing comes of it",
            Self::Taken => "**succeeds**",
        }
    }
}

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    Ask,
    AskUnderOuterId,
    TellOwn,
    Say(Who),
    Type,
    Letter(Who),
    Devices,
    MakeLeave,
    MakeJoin,
    ReadPrivate,
    ReadShared,
    Profile,
}

/// In whose name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Other,
    Own,
}

/// An attempt in words, and whether the stolen cell's own people could do it: then it may succeed until the cell is revoked.
pub(super) struct Attempt {
    pub(super) aim: Aim,
    pub(super) what: &'static str,
    pub(super) is_own: bool,
}

const fn others(aim: Aim, what: &'static str) -> Attempt {
    Attempt { aim, what, is_own: false }
}

const fn own(aim: Aim, what: &'static str) -> Attempt {
    Attempt { aim, what, is_own: true }
}

/// All of them.
pub(super) const ATTEMPTS: [Attempt; 14] = [
    others(Aim::Ask, "ask Synapse itself as the deployment, with the cell's key"),
    others(Aim::AskUnderOuterId, "the same under the id of the deployment's key"),
    others(Aim::TellOwn, "tell Synapse itself something as somebody of here"),
    others(Aim::Say(Who::Other), "have the gateway tell something as somebody of another cell"),
    others(Aim::Type, "have the gateway show somebody of another cell as typing"),
    others(Aim::Letter(Who::Other), "have the gateway send a message to a device as somebody of another cell"),
    others(Aim::Devices, "have the gateway announce a device of somebody of another cell"),
    others(Aim::MakeLeave, "make somebody of another cell leave a room of Synapse's"),
    others(Aim::MakeJoin, "make somebody of another cell join one"),
    others(Aim::ReadPrivate, "read the state of a room of Synapse's in which nobody of here is"),
    own(Aim::ReadShared, "read the state of one in which people of here are"),
    own(Aim::Profile, "ask for the profile of somebody of Synapse whose exact name they know"),
    own(Aim::Letter(Who::Own), "have the gateway send a message to a device as somebody of here"),
    own(Aim::Say(Who::Own), "have the gateway tell something as somebody of here"),
];

/// Tries it. `when` keeps what is sent in one round apart from another.
pub(super) fn run(aim: Aim, when: &str, thief: &Thief, aims: &Aims, eve: &mut Person) -> Result<Came> {
    let federation = "/_matrix/federation/v1";
    let asked = |method: Method, path: String| Ok(of_answer(thief.ask_through(&method, &path, None)));
    match aim {
        Aim::Ask | Aim::AskUnderOuterId => {
            let path = format!("{federation}/user/devices/{}", escape(&aims.eve));
            Ok(of_status(thief.ask_synapse(aim == Aim::Ask, &Method::GET, &path, None)?))
        }
        Aim::TellOwn => {
            let body = thief.transaction(&[thief.forger().event(&aims.of_boris, &aims.boris)], &[]);
            let path = format!("{federation}/send/{when}-direct");
            let before = forged_by(eve, &aims.shared, &aims.boris)?;
            let came = of_status(thief.ask_synapse(true, &Method::PUT, &path, Some(&body))?);
            let came_in = forged_by(eve, &aims.shared, &aims.boris)? > before;
            Ok(if came_in { Came::Taken } else { came })
        }
        Aim::Say(who) => say(who, when, thief, aims, eve),
        Aim::Type => {
            let edu = json!({ "edu_type": "m.typing", "content": {
                "room_id": aims.shared, "user_id": aims.anna, "typing": true } });
            pass(thief, &format!("{when}-typing"), &edu, eve, |sync| {
                let events = sync["rooms"]["join"][&aims.shared]["ephemeral"]["events"].as_array();
                events.into_iter().flatten().any(|event| event["content"]["user_ids"].to_string().contains(&aims.anna))
            })
        }
        Aim::Letter(who) => {
            let sender = if who == Who::Own { &aims.boris } else { &aims.anna };
            let id = format!("{when}-letter-{who:?}");
            let edu = json!({ "edu_type": "m.direct_to_device", "content": {
                "sender": sender, "type": LETTER, "message_id": id, "messages": { &aims.eve: { "*": { "forged": true } } } } });
            pass(thief, &id, &edu, eve, |sync| {
                let letters = sync["to_device"]["events"].as_array();
                letters.into_iter().flatten().any(|one| one["type"] == LETTER && one["sender"] == **sender)
            })
        }
        Aim::Devices => devices(when, thief, aims, eve),
        Aim::MakeLeave => asked(Method::GET, format!("{federation}/make_leave/{}/{}", aims.shared, aims.anna)),
        Aim::MakeJoin => asked(Method::GET, format!("{federation}/make_join/{}/{}?ver=11", aims.private, aims.anna)),
        Aim::ReadPrivate => {
            asked(Method::GET, format!("{federation}/state_ids/{}?event_id={}", aims.private, aims.private_event))
        }
        Aim::ReadShared => {
            asked(Method::GET, format!("{federation}/state_ids/{}?event_id={}", aims.shared, aims.shared_event))
        }
        Aim::Profile => asked(Method::GET, format!("{federation}/query/profile?user_id={}", aims.eve)),
    }
}

fn of_answer(answer: Option<(u16, Value)>) -> Came {
    answer.map_or(Came::NoConnection, |(status, _)| of_status(status))
}

fn of_status(status: u16) -> Came {
    if status == 200 { Came::Taken } else { Came::Refused }
}

/// An event through the gateway. It counts what Synapse shows to its person, whatever the gateway answers.
fn say(who: Who, when: &str, thief: &Thief, aims: &Aims, eve: &mut Person) -> Result<Came> {
    let (like, sender) = match who {
        Who::Other => (&aims.of_anna, &aims.anna),
        Who::Own => (&aims.of_boris, &aims.boris),
    };
    let before = forged_by(eve, &aims.shared, sender)?;
    let event = thief.forger().event(like, sender);
    let Some((status, _)) = thief.tell_through(&format!("{when}-say-{who:?}"), &[event], &[]) else {
        return Ok(Came::NoConnection);
    };
    if status != 200 {
        return Ok(Came::Refused);
    }
    let began = Instant::now();
    while began.elapsed() < MOMENT {
        if forged_by(eve, &aims.shared, sender)? > before {
            return Ok(Came::Taken);
        }
        eve.line.sync(500)?;
    }
    Ok(Came::Nothing)
}

/// Something that passes, through the gateway; `came` knows it when Synapse's person is shown it.
fn pass(thief: &Thief, id: &str, edu: &Value, eve: &mut Person, came: impl Fn(&Value) -> bool) -> Result<Came> {
    eve.line.forget()?;
    let Some((status, _)) = thief.tell_through(id, &[], std::slice::from_ref(edu)) else {
        return Ok(Came::NoConnection);
    };
    if status != 200 {
        return Ok(Came::Refused);
    }
    let began = Instant::now();
    while began.elapsed() < MOMENT {
        eve.line.sync(500)?;
        if eve.line.saw(&came) {
            return Ok(Came::Taken);
        }
    }
    Ok(Came::Nothing)
}

/// A device of somebody of another cell: does Synapse tell its person of it?
fn devices(when: &str, thief: &Thief, aims: &Aims, eve: &mut Person) -> Result<Came> {
    let keys = json!({ "user_id": aims.anna, "device_id": DEVICE, "algorithms": [], "keys": {}, "signatures": {} });
    let edu = json!({ "edu_type": "m.device_list_update", "content": {
        "user_id": aims.anna, "device_id": DEVICE, "stream_id": 1_000_000, "prev_id": [], "keys": keys } });
    let Some((status, _)) = thief.tell_through(&format!("{when}-devices"), &[], &[edu]) else {
        return Ok(Came::NoConnection);
    };
    if status != 200 {
        return Ok(Came::Refused);
    }
    let began = Instant::now();
    while began.elapsed() < MOMENT {
        let told = eve.line.post("v3/keys/query", &json!({ "device_keys": { &aims.anna: [] } }))?;
        if told["device_keys"][&aims.anna][DEVICE].is_object() {
            return Ok(Came::Taken);
        }
        eve.line.sync(500)?;
    }
    Ok(Came::Nothing)
}

/// How many events in somebody's name that a forger made Synapse shows in a room.
pub(super) fn forged_by(eve: &Person, room: &str, sender: &str) -> Result<usize> {
    let page = eve.line.get(&format!("v3/rooms/{}/messages?dir=b&limit=100", escape(room)))?;
    let chunk = page["chunk"].as_array().context("a page of messages is a list")?;
    Ok(chunk.iter().filter(|event| event["sender"] == sender && event["content"]["ciphertext"] == "forged").count())
}
