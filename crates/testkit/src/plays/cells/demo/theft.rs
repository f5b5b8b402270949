//! A cell is stolen with its disk and its key. What the thief can say is tried, before the others hear of it and after.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use axum::http::Method;
use domicile_core::locality::CellName;
use domicile_core::rng::OsRng;
use domicile_residency::deployment::SecretKey;
use domicile_residency::directory::Transfer;
use ruma::{ServerName, UserId};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{Demo, Screen};
use crate::cluster::{Forger, Request};
use crate::driver::Message;
use crate::plays::cells::{Deployment, NAME};
use crate::plays::stage::PASSWORD;

/// The stolen cell, and the one that it speaks to.
pub(super) const STOLEN: &str = "ru1";
pub(super) const OTHER: &str = "eu1";
/// The type of a message to a device that nobody sends.
const LETTER: &str = "org.domicile.demo.forged";
/// How long a forged event may take to come to a client that syncs.
const SYNC: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(100);

/// What came of an attempt.
enum Came {
    /// Not even a connection.
    NoConnection,
    /// It was refused, or nothing came of it.
    Refused(String),
    /// It succeeded.
    Taken(String),
}

/// Whose key the thief uses, and by which document they speak.
pub(super) struct Thief {
    forger: Forger,
    key: SecretKey,
    runtime: Runtime,
    serial: u32,
}

/// What is tried.
struct Attempt<'a> {
    /// In words, after *the thief*.
    what: &'static str,
    /// Whether the stolen cell's own people could do it, so that it succeeds until others hear of the theft.
    is_own: bool,
    run: Try<'a>,
}

/// What the thief aims at.
pub(super) struct Aims {
    anna: String,
    vera: String,
    clara: String,
    room: String,
    /// A room in which only people of the other cell are, with an event of it.
    private: (String, String),
    /// Something that Vera said, and events of each, as they stand on the stolen disk.
    event_of_vera: String,
    like: [Value; 3],
    /// Anna's.
    token: String,
    other: std::net::SocketAddr,
}

impl Thief {
    fn new(deployment: &Deployment, key: SecretKey) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
        let of = deployment.cell(OTHER)?.secret_key()?.public();
        let status = deployment.cell(OTHER)?.json(&["directory", "status"])?;
        let serial = status["status"]["serial"].as_u64().and_then(|serial| u32::try_from(serial).ok());
        let name = <&ServerName>::try_from(NAME).context("the deployment's name")?;
        let forger = {
            let _inside = runtime.enter();
            Forger::new(name, key.clone(), OTHER, &deployment.inner_url(OTHER)?, &of)
        };
        Ok(Self { forger, key, runtime, serial: serial.context("which document holds was not told")? })
    }

    /// Asks in some cell's name. No answer at all is no connection.
    fn ask_as(&self, origin: &str, method: Method, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let request = Request { origin, serial: self.serial, number: None, method, path, body };
        self.runtime.block_on(self.forger.ask(request)).ok()
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        self.ask_as(STOLEN, method, path, body)
    }

    /// Tells events and what passes, as a transaction.
    fn tell(&self, id: &str, pdus: &[Value], edus: &[Value]) -> Option<(u16, Value)> {
        let body = json!({ "origin": NAME, "origin_server_ts": 1, "pdus": pdus, "edus": edus });
        self.ask(Method::PUT, &format!("/_matrix/federation/v1/send/{id}"), Some(&body))
    }

    /// Says something in somebody's name, like something that they said.
    fn say(&self, id: &str, like: &Value) -> Result<Came> {
        let sender = like["sender"].as_str().context("an event has a sender")?;
        let Some((status, answer)) = self.tell(id, &[self.forger.event(like, sender)], &[]) else {
            return Ok(Came::NoConnection);
        };
        if status != 200 {
            return Ok(Came::Refused(format!("{status}")));
        }
        let pdus = answer["pdus"].as_object().context("a transaction is answered by event")?;
        match pdus.values().find_map(|told| told["error"].as_str()) {
            Some(error) => Ok(Came::Refused(error.split(", or").next().unwrap_or(error).to_owned())),
            None if pdus.is_empty() => Ok(Came::Refused("it was dropped".to_owned())),
            None => Ok(Came::Taken("it is in the room".to_owned())),
        }
    }
}

/// What an answer comes to, where a good one is a success.
fn of_answer(answer: Option<(u16, Value)>) -> Came {
    match answer {
        None => Came::NoConnection,
        Some((200, _)) => Came::Taken("it is answered".to_owned()),
        Some((status, told)) => Came::Refused(format!("{status} {}", told["errcode"].as_str().unwrap_or_default())),
    }
}

/// How something is tried.
type Try<'a> = Box<dyn Fn(&Thief) -> Result<Came> + 'a>;

/// All that is tried. `round` keeps the transactions of one round apart from those of another.
fn attempts<'a>(aims: &'a Aims, round: &'static str) -> Vec<Attempt<'a>> {
    let federation = "/_matrix/federation/v1";
    let (private, event) = &aims.private;
    let say = |who: &'static str, like: &'a Value| -> Try<'a> {
        Box::new(move |thief| thief.say(&format!("{round}-{who}"), like))
    };
    let others: [(&str, Try<'a>); 9] = [
        ("says to be the other cell", Box::new(|thief| Ok(posing(thief)))),
        ("says something as Anna, who is at home in the other cell", say("anna", &aims.like[0])),
        ("says something as Boris, who has moved there", say("boris", &aims.like[1])),
        ("sends a message to Anna's device in her own name", Box::new(move |thief| letter(thief, aims, round))),
        ("makes Anna leave the room", get(format!("{federation}/make_leave/{}/{}", aims.room, aims.anna))),
        ("takes Anna's name", Box::new(|thief| Ok(take_name(thief, &aims.anna)))),
        ("moves Anna into the stolen cell", Box::new(|thief| kidnap(thief, &aims.anna))),
        ("lets Vera into a room of others", get(format!("{federation}/make_join/{private}/{}?ver=12", aims.vera))),
        ("reads who is in that room", get(format!("{federation}/state_ids/{private}?event_id={event}"))),
    ];
    let shared = format!("{federation}/state_ids/{}?event_id={}", aims.room, aims.event_of_vera);
    let own: [(&str, Try<'a>); 3] = [
        (
            "asks in which cell Clara is, by her exact name, as to invite her",
            Box::new(|thief| look_up(thief, &aims.clara)),
        ),
        ("reads who is in the room that Vera is in, a copy of which is on the disk", get(shared)),
        ("says something as Vera, whose home it is", say("vera", &aims.like[2])),
    ];
    let others = others.into_iter().map(|(what, run)| Attempt { what, is_own: false, run });
    others.chain(own.into_iter().map(|(what, run)| Attempt { what, is_own: true, run })).collect()
}

fn get<'a>(path: String) -> Try<'a> {
    Box::new(move |thief| Ok(of_answer(thief.ask(Method::GET, &path, None))))
}

fn posing(thief: &Thief) -> Came {
    of_answer(thief.ask_as(OTHER, Method::GET, "/_matrix/federation/v1/event/$x", None))
}

fn take_name(thief: &Thief, user: &str) -> Came {
    let wish = json!({ "user_id": user });
    of_answer(thief.ask(Method::POST, "/_domicile/inner/v1/names/take", Some(&wish)))
}

/// A message to a device in the name of its owner.
fn letter(thief: &Thief, aims: &Aims, round: &str) -> Result<Came> {
    let message = json!({ "edu_type": "m.direct_to_device", "content": {
        "sender": aims.anna, "type": LETTER, "message_id": format!("{round}-letter"),
        "messages": { &aims.anna: { "*": { "forged": true } } },
    } });
    if thief.tell(&format!("{round}-letter"), &[], &[message]).is_none() {
        return Ok(Came::NoConnection);
    }
    let path = "/_matrix/client/v3/sync?timeout=0";
    let (_, answer) = crate::plays::federation::http::exchange(aims.other, Some(&aims.token), "GET", path, None)?;
    Ok(if answer.contains(LETTER) {
        Came::Taken("it is in her inbox".to_owned())
    } else {
        Came::Refused("nothing came".to_owned())
    })
}

/// The word of the stolen cell that somebody is let go whose home it is not.
fn kidnap(thief: &Thief, user: &str) -> Result<Came> {
    let user_id = <&UserId>::try_from(user).context("a user's id")?;
    let cell = |name| CellName::parse(name).context("a cell's name");
    let (from, to) = (cell(OTHER)?, cell(STOLEN)?);
    let transfer = Transfer { user_id, from: &from, to: &to, epoch: 2, previous: "" };
    let authority = json!({ "by": "home", "signature": transfer.sign(&thief.key) });
    let let_go = json!({ "user_id": user, "from": OTHER, "to": STOLEN, "authority": authority });
    Ok(of_answer(thief.ask(Method::POST, "/_domicile/inner/v1/names/transfer", Some(&let_go))))
}

/// Asks the directory about somebody.
fn look_up(thief: &Thief, user: &str) -> Result<Came> {
    let question = json!({ "user_ids": [user] });
    let Some((status, told)) = thief.ask(Method::POST, "/_domicile/inner/v1/names/look_up", Some(&question)) else {
        return Ok(Came::NoConnection);
    };
    ensure!(status == 200, "the directory answers {status}: {told}");
    Ok(match told["tickets"].as_array() {
        Some(tickets) if tickets.is_empty() => Came::Refused("the same answer as for nobody".to_owned()),
        _ => Came::Taken("it is told".to_owned()),
    })
}

impl Demo {
    /// What the thief aims at, as far as it has to be there before the theft.
    fn aims(&self, thief: &Thief) -> Result<Aims> {
        let (eu, ru) = (self.deployment.cell(OTHER)?, self.deployment.cell(STOLEN)?);
        let body = json!({ "auth": { "type": "m.login.dummy" }, "username": "clara", "password": PASSWORD });
        let register = "/_matrix/client/v3/register";
        let clara = crate::plays::federation::http::ask(eu.clients, None, "POST", register, Some(&body))?;
        let text = |value: &Value, key: &str| -> Result<String> {
            Ok(value[key].as_str().with_context(|| format!("`{key}` is missing in {value}"))?.to_owned())
        };
        let clara = text(&clara, "user_id")?;
        let room = json!({ "preset": "private_chat", "invite": [clara] });
        let private = text(&self.anna.asks(eu, "POST", "createRoom", Some(&room))?, "room_id")?;
        let state = self.anna.asks(eu, "GET", &format!("rooms/{private}/state"), None)?;
        let event = text(&state[0], "event_id")?;
        let like = |user: &str| -> Result<(String, Value)> {
            let all = self.vera.asks(ru, "GET", &format!("rooms/{}/messages?dir=b&limit=100", self.room), None)?;
            let chunk = all["chunk"].as_array().context("a page of messages is a list")?;
            let last = chunk.iter().find(|event| event["type"] == "m.room.encrypted" && event["sender"] == user);
            let id = text(last.with_context(|| format!("{user} has said nothing"))?, "event_id")?;
            let path = format!("/_matrix/federation/v1/event/{id}");
            let (status, answer) = thief.ask(Method::GET, &path, None).context("the other cell does not answer")?;
            ensure!(status == 200, "an event of a shared room is {status}: {answer}");
            Ok((id, answer["pdus"][0].clone()))
        };
        let users = [&self.anna, &self.boris, &self.vera].map(|person| person.player.user.clone());
        let (event_of_vera, of_vera) = like(&users[2])?;
        Ok(Aims {
            like: [like(&users[0])?.1, like(&users[1])?.1, of_vera],
            event_of_vera,
            clara,
            room: self.room.clone(),
            private: (private, event),
            token: self.anna.token()?,
            other: eu.clients,
            anna: users[0].clone(),
            vera: users[2].clone(),
        })
    }

    /// ru1 is stolen: what its key opens, and what it does not.
    pub(super) fn a_cell_is_stolen(&mut self, screen: &mut Screen<'_>) -> Result<(Thief, Aims)> {
        screen.act("A cell is stolen")?;
        let thief = Thief::new(&self.deployment, self.deployment.cell(STOLEN)?.secret_key()?)?;
        let aims = self.aims(&thief)?;
        self.deployment.cell_mut(STOLEN)?.stop()?;
        screen.tell(
            "Somebody walks in and takes ru1: its disks and its key. With these they speak to eu1, which does not know yet. \
             Each line is a thing that they try, and what comes of it:",
        )?;
        let guess = Thief::new(&self.deployment, SecretKey::new(&OsRng))?;
        let connects = guess.ask(Method::GET, "/_matrix/federation/v1/event/$x", None).is_some();
        let refused = if connects { Err(anyhow!("it opened a connection")) } else { Ok("no connection") };
        screen.claim("A key that was made up opens nothing", refused)?;
        for Attempt { what, is_own, run } in attempts(&aims, "before") {
            match run(&thief)? {
                Came::Taken(how) if is_own => screen.caution(&format!("The thief {what}: {how}"))?,
                Came::Refused(how) if !is_own => screen.claim(&tries(what), Ok(format!("bounces, {how}")))?,
                Came::Taken(how) => screen.claim(&tries(what), Err::<&str, _>(anyhow!("it succeeded, {how}")))?,
                Came::Refused(how) => {
                    screen.claim(what, Err::<&str, _>(anyhow!("this was to succeed, and was refused: {how}")))?;
                }
                Came::NoConnection => screen.claim(what, Err::<&str, _>(anyhow!("there was no connection")))?,
            }
        }
        let forged = self.forged();
        screen.claim("Nobody can decrypt what the thief says: Vera's keys are not on the server", forged)?;
        screen
            .tell("So what succeeds is what its own people could do. It lasts until the others hear of the theft.")?;
        Ok((thief, aims))
    }

    /// What Anna's client received that it could not decrypt: the one forged message, and by whom it says to be.
    fn forged(&mut self) -> Result<String> {
        let vera = self.vera.player.user.clone();
        let mut waited = Duration::ZERO;
        loop {
            let all = self.anna.player.client.arrivals(&self.room)?;
            let unreadable: Vec<&Message> = all.iter().filter(|one| one.body.is_none()).collect();
            if let [one] = unreadable[..] {
                ensure!(one.sender == vera, "a forged message came from {}", one.sender);
                return Ok(format!("Anna's client shows one message of {vera} that cannot be read"));
            }
            ensure!(unreadable.len() < 2, "{} messages cannot be read", unreadable.len());
            if waited > SYNC {
                bail!("the forged message did not come to Anna's client");
            }
            sleep(PAUSE);
            waited += PAUSE;
        }
    }

    /// The deployment document says that the cell is believed no more.
    pub(super) fn it_is_revoked(&mut self, screen: &mut Screen<'_>, thief: &Thief, aims: &Aims) -> Result<()> {
        screen.act("It is revoked")?;
        let before = self.anna.player.client.arrivals(&self.room)?.len();
        self.deployment.revoke(STOLEN)?;
        let status = self.deployment.cell(OTHER)?.json(&["directory", "status"])?;
        screen.tell(&format!(
            "$ domicile cell revoke {STOLEN} --root-key root.key\nThe root key signs document {}, in which {STOLEN} is \
             revoked, and eu1 starts again with it. The thief tries everything once more:",
            status["status"]["serial"]
        ))?;
        let all = attempts(aims, "after");
        let (count, thief) = (all.len(), Thief::new(&self.deployment, thief.key.clone())?);
        let mut through = Vec::new();
        for Attempt { what, run, .. } in all {
            if !matches!(run(&thief)?, Came::NoConnection) {
                through.push(what);
            }
        }
        let bounced = if through.is_empty() {
            Ok(format!("{count} of {count} find no connection"))
        } else {
            Err(anyhow!("{through:?} went through"))
        };
        screen.claim("Nothing of it succeeds, Vera's name included", bounced)?;
        let after = self.anna.player.client.arrivals(&self.room)?.len();
        let nothing = if after == before { Ok("") } else { Err(anyhow!("{} messages came", after - before)) };
        screen.claim("Nothing of it came to anybody", nothing)
    }
}

/// An attempt, as a claim begins.
fn tries(what: &str) -> String {
    format!("The thief {what}")
}
