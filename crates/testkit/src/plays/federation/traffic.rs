//! Traffic whose arrival can be checked: people who write without a pause, and people who read everything.
//!
//! Who writes notes each message that a server acknowledged; who reads counts each event that `/sync` brought. What was
//! noted must have been brought to everybody, and nothing may have been brought twice.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::http::escape;
use super::person::Line;
use super::side::Side;

/// How long what was acknowledged may take to come to everybody. Servers try again after seconds or minutes.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long somebody waits for what is missing before they page back for it.
const PAGING: Duration = Duration::from_secs(8);
/// Between two looks at who has what.
const LOOK: Duration = Duration::from_millis(20);
/// Before the same is tried again with a server that does not answer.
const AGAIN: Duration = Duration::from_millis(20);
/// Between two things that a wanderer does.
const STROLL: Duration = Duration::from_millis(300);
/// What a letter to a device is called.
const LETTER: &str = "org.domicile.play.letter";
/// The status of a server that asks whoever moves to come again soon.
const WAIT: u16 = 503;
/// Events in one answer of `/sync` and `/messages`.
const PAGE: u32 = 100;

/// What servers acknowledged.
#[derive(Debug, Default)]
pub(in crate::plays) struct Promises {
    /// Each message's words, by its event.
    messages: Mutex<BTreeMap<String, String>>,
    /// Words that went to a person's devices: who is to have them, and the words.
    letters: Mutex<BTreeSet<(String, String)>>,
}

/// All that was acknowledged up to a moment.
#[derive(Debug)]
pub(in crate::plays) struct Promised {
    messages: Vec<String>,
    letters: Vec<(String, String)>,
}

impl Promises {
    pub(in crate::plays) fn so_far(&self) -> Promised {
        let messages = self.messages.lock().keys().cloned().collect();
        Promised { messages, letters: self.letters.lock().iter().cloned().collect() }
    }

    /// How many messages, and how many letters.
    pub(in crate::plays) fn counts(&self) -> (usize, usize) {
        (self.messages.lock().len(), self.letters.lock().len())
    }
}

impl Promised {
    /// How many messages and letters.
    pub(in crate::plays) fn len(&self) -> usize {
        self.messages.len() + self.letters.len()
    }
}

/// Somebody who writes.
pub(in crate::plays) struct Writer {
    pub(in crate::plays) line: Line,
    /// What the messages begin with, and that no other writer's do.
    pub(in crate::plays) name: String,
    /// Between two messages.
    pub(in crate::plays) pause: Duration,
    /// To whose devices every tenth message goes, too.
    pub(in crate::plays) pen_friend: Option<String>,
    /// Whether they move between cells meanwhile, and so are asked to wait at times.
    pub(in crate::plays) moves: bool,
}

impl Writer {
    /// Writes into a room until it is told to stop. What a server that is gone did not acknowledge is sent again under the
    /// same transaction.
    pub(in crate::plays) fn write(&self, room: &str, promises: &Promises, stop: &AtomicBool) -> Result<()> {
        let mut number = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            let words = format!("{} {number}", self.name);
            let path = format!("v3/rooms/{}/send/m.room.message/{}", escape(room), escape(&words));
            let Some(answer) = self.put(&path, &json!({ "msgtype": "m.text", "body": words }), stop)? else { break };
            let event = answer["event_id"].as_str().context("a message has no id")?.to_owned();
            if let Some(other) = promises.messages.lock().insert(event.clone(), words.clone()) {
                bail!("`{other}` and `{words}` are both {event}");
            }
            if let Some(friend) = self.pen_friend.as_ref().filter(|_| number.is_multiple_of(10)) {
                let path = format!("v3/sendToDevice/{LETTER}/{}", escape(&words));
                let letter = json!({ "messages": { friend: { "*": { "body": words } } } });
                if self.put(&path, &letter, stop)?.is_none() {
                    break;
                }
                promises.letters.lock().insert((friend.clone(), words));
            }
            sleep(self.pause);
        }
        Ok(())
    }

    /// Sends until there is an answer; `None` if there was none when it was told to stop.
    fn put(&self, path: &str, body: &Value, stop: &AtomicBool) -> Result<Option<Value>> {
        loop {
            let answer = self.line.exchange("PUT", path, Some(body));
            if let Some((status, answer)) = answer.filter(|(status, _)| !(self.moves && *status == WAIT)) {
                ensure!(status == 200, "{} was refused {path}: {status} {answer}", self.name);
                return Ok(Some(answer));
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            sleep(AGAIN);
        }
    }
}

/// Somebody who comes and goes, and names the room.
pub(in crate::plays) struct Wanderer {
    pub(in crate::plays) line: Line,
    pub(in crate::plays) name: String,
}

impl Wanderer {
    /// Joins, says what the room is about, and leaves, until told to stop. What was refused is an error: this server is in
    /// the room, whatever becomes of others.
    pub(in crate::plays) fn wander(&self, room: &str, stop: &AtomicBool) -> Result<()> {
        let mut number = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            self.line.join(room, None)?;
            for kind in ["m.room.topic", "m.room.name"] {
                let field = kind.trim_start_matches("m.room.");
                self.line.set_state(room, kind, &json!({ field: format!("{number} by {}", self.name) }))?;
                sleep(STROLL);
            }
            self.line.membership("leave", room, None)?;
            sleep(STROLL);
        }
        Ok(())
    }
}

/// What somebody has read.
#[derive(Debug, Default)]
struct Read {
    /// How often `/sync` brought an event.
    brought: BTreeMap<String, u32>,
    /// Events that were fetched where `/sync` said that it left some out.
    fetched: BTreeSet<String>,
    /// How often `/sync` brought a letter.
    letters: BTreeMap<String, u32>,
}

/// Somebody who reads.
pub(in crate::plays) struct Reader {
    line: Line,
    user: String,
    moves: bool,
    read: Mutex<Read>,
}

impl Reader {
    pub(in crate::plays) fn new(line: Line, user: String) -> Self {
        Self { line, user, moves: false, read: Mutex::default() }
    }

    /// Somebody who moves between cells meanwhile. Their new home shows the ends of rooms as after a gap, so that they may be shown an event
    /// again that they have; and they are asked to wait at times.
    pub(in crate::plays) fn who_moves(line: Line, user: String) -> Self {
        Self { moves: true, ..Self::new(line, user) }
    }

    pub(in crate::plays) fn user(&self) -> &str {
        &self.user
    }

    /// Reads a room until it is told to stop. An answer that did not arrive is asked for again from the same place.
    pub(in crate::plays) fn read(&self, room: &str, stop: &AtomicBool) -> Result<()> {
        let filter = json!({
            "presence": { "types": [] },
            "room": { "rooms": [room], "timeline": { "limit": PAGE }, "ephemeral": { "types": [] } },
        });
        let filter = escape(&filter.to_string());
        let mut since: Option<String> = None;
        while !stop.load(Ordering::Relaxed) {
            let from = since.as_deref().map(|since| format!("&since={}", escape(since))).unwrap_or_default();
            let Some(answer) = self.get(&format!("v3/sync?timeout=1000&filter={filter}{from}"))? else {
                sleep(AGAIN);
                continue;
            };
            let timeline = &answer["rooms"]["join"][room]["timeline"];
            {
                let mut read = self.read.lock();
                for event in timeline["events"].as_array().into_iter().flatten() {
                    *read.brought.entry(text(event, "event_id")?).or_default() += 1;
                }
                for letter in answer["to_device"]["events"].as_array().into_iter().flatten() {
                    if letter["type"] == LETTER {
                        *read.letters.entry(text(&letter["content"], "body")?).or_default() += 1;
                    }
                }
            }
            if timeline["limited"] == true
                && let (Some(before), Some(_)) = (timeline["prev_batch"].as_str(), &since)
            {
                self.fetch(room, before, stop)?;
            }
            since = Some(text(&answer, "next_batch")?);
        }
        Ok(())
    }

    /// Fetches what `/sync` left out, back to what is known.
    fn fetch(&self, room: &str, before: &str, stop: &AtomicBool) -> Result<()> {
        let mut from = before.to_owned();
        while !stop.load(Ordering::Relaxed) {
            let path = format!("v3/rooms/{}/messages?dir=b&limit={PAGE}&from={}", escape(room), escape(&from));
            let Some(answer) = self.get(&path)? else {
                sleep(AGAIN);
                continue;
            };
            let mut read = self.read.lock();
            let mut news = false;
            for event in answer["chunk"].as_array().into_iter().flatten() {
                let id = text(event, "event_id")?;
                news |= !read.brought.contains_key(&id) && read.fetched.insert(id);
            }
            match answer["end"].as_str() {
                Some(end) if news => end.clone_into(&mut from),
                _ => break,
            }
        }
        Ok(())
    }

    fn get(&self, path: &str) -> Result<Option<Value>> {
        let answer = self.line.exchange("GET", path, None);
        let Some((status, answer)) = answer.filter(|(status, _)| !(self.moves && *status == WAIT)) else {
            return Ok(None);
        };
        ensure!(status == 200, "{} was refused {path}: {status} {answer}", self.user);
        Ok(Some(answer))
    }

    /// What was brought more than once.
    pub(in crate::plays) fn nothing_twice(&self) -> Result<()> {
        let read = self.read.lock();
        let brought = read.brought.iter().filter(|_| !self.moves);
        for (what, times) in brought.chain(&read.letters) {
            ensure!(*times == 1, "/sync brought {what} to {} {times} times", self.user);
        }
        Ok(())
    }

    /// What was promised and has not come yet, in words.
    pub(in crate::plays) fn missing(&self, promised: &Promised) -> Vec<String> {
        let read = self.read.lock();
        let came = |id: &&String| read.brought.contains_key(*id) || read.fetched.contains(*id);
        let messages = promised.messages.iter().filter(|id| !came(id)).cloned();
        let letters =
            promised.letters.iter().filter(|(to, words)| *to == self.user && !read.letters.contains_key(words));
        messages.chain(letters.map(|(_, words)| format!("the letter `{words}`"))).collect()
    }

    /// How many events `/sync` brought, and how many had to be fetched because it left them out.
    pub(in crate::plays) fn count(&self) -> (usize, usize) {
        let read = self.read.lock();
        (read.brought.len(), read.fetched.iter().filter(|id| !read.brought.contains_key(*id)).count())
    }

    /// Pages through the room's whole past: nothing is in it twice. What it found counts as fetched. Returns what was promised
    /// and is not there, in words.
    pub(in crate::plays) fn look_back(&self, room: &str, promises: &Promises) -> Result<Vec<String>> {
        let (mut from, mut found) = (String::new(), BTreeMap::<String, String>::new());
        loop {
            let page = self.line.get(&format!("v3/rooms/{}/messages?dir=b&limit={PAGE}{from}", escape(room)))?;
            for event in page["chunk"].as_array().into_iter().flatten() {
                let (id, body) = (text(event, "event_id")?, event["content"]["body"].as_str().unwrap_or_default());
                ensure!(found.insert(id.clone(), body.to_owned()).is_none(), "{id} is twice in {}'s past", self.user);
            }
            match page["end"].as_str() {
                Some(end) => from = format!("&from={}", escape(end)),
                None => break,
            }
        }
        let mut bodies = BTreeSet::new();
        for (id, body) in found.iter().filter(|(_, body)| !body.is_empty()) {
            ensure!(bodies.insert(body), "`{body}` stands twice in {}'s past, once as {id}", self.user);
        }
        let mut missing = Vec::new();
        for (id, words) in &*promises.messages.lock() {
            match found.get(id) {
                Some(body) => ensure!(body == words, "{id} was `{words}` and is `{body}` in {}'s past", self.user),
                None => missing.push(format!("{id} (`{words}`)")),
            }
        }
        self.read.lock().fetched.extend(found.into_keys());
        Ok(missing)
    }

    /// The room's state: each event by its type and key.
    pub(in crate::plays) fn view(&self, room: &str) -> Result<View> {
        let state = self.line.get(&format!("v3/rooms/{}/state", escape(room)))?;
        let events = state.as_array().context("a state is a list")?;
        let named = |event| Ok(((text(event, "type")?, text(event, "state_key")?), text(event, "event_id")?));
        Ok((self.user.clone(), events.iter().map(named).collect::<Result<_>>()?))
    }
}

/// Waits until all of this has come to everybody, each of whom is on the side of the same number. A server may fetch what it
/// missed only when somebody pages back to it, as Synapse does, so people do after a while.
pub(super) fn arrived(
    readers: &[Reader],
    sides: &[Side<'_>],
    room: &str,
    promises: &Promises,
    promised: &Promised,
) -> Result<()> {
    let began = Instant::now();
    for (reader, side) in readers.iter().zip(sides) {
        let mut paging = Instant::now() + PAGING;
        loop {
            reader.nothing_twice()?;
            let missing = reader.missing(promised);
            if missing.is_empty() {
                break;
            }
            ensure!(
                began.elapsed() < PATIENCE,
                "{} of {} acknowledged have not come to {} after {PATIENCE:?}: {:?}",
                missing.len(),
                promised.len(),
                reader.user(),
                &missing[..missing.len().min(5)]
            );
            if paging < Instant::now() {
                side.inside(|| reader.look_back(room, promises))??;
                paging = Instant::now() + PAGING;
            }
            sleep(LOOK);
        }
    }
    Ok(())
}

/// Everything that was acknowledged is in the past as one pages through it: at once, or when the server has fetched it.
pub(super) fn whole_past(reader: &Reader, side: &Side<'_>, room: &str, promises: &Promises) -> Result<()> {
    let began = Instant::now();
    loop {
        let missing = side.inside(|| reader.look_back(room, promises))??;
        if missing.is_empty() {
            return Ok(());
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "{} are not in the past of {}: {:?}",
            missing.len(),
            reader.user(),
            &missing[..missing.len().min(5)]
        );
        sleep(LOOK);
    }
}

/// A state, and whose view of the room it is.
pub(in crate::plays) type View = (String, BTreeMap<(String, String), String>);

/// Complains about the first entry in which views of a room differ.
pub(in crate::plays) fn same_state(views: &[View]) -> Result<()> {
    for ((one, here), (other, there)) in views.iter().zip(views.iter().skip(1)) {
        for key in here.keys().chain(there.keys()) {
            let (first, second) = (here.get(key), there.get(key));
            ensure!(first == second, "{key:?} is {first:?} for {one}, and {second:?} for {other}");
        }
    }
    Ok(())
}

fn text(value: &Value, field: &str) -> Result<String> {
    Ok(value[field].as_str().with_context(|| format!("`{field}` is missing in {value}"))?.to_owned())
}
