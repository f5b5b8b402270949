//! What must be so at the end.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::people::Device;
use crate::plays::cells::people::{Resident, Said, everything_came};
use crate::plays::cells::{Cell, Deployment};
use crate::plays::federation::http::escape;
use crate::plays::federation::person::Line;
use crate::plays::federation::traffic::{Reader, View, same_state};

/// How long something may take to come to everybody after the links are good again: cells try again after half a minute at most.
const PATIENCE: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_secs(1);
/// The same for a new device. matrix-sdk leaves one alone for up to a quarter of an hour of which it got no key while the way there was cut.
const DEVICE_PATIENCE: Duration = Duration::from_mins(16);
/// How long a new device waits for what was said before something else is said.
const MOMENT: Duration = Duration::from_secs(5);
/// What is shown of a list in a complaint.
const SOME: usize = 5;
/// Events of a page of a room's past.
const PAGE: u32 = 500;

/// Everybody who stayed says something once more until the new devices, of which they may have heard late, read all of it.
pub(super) fn last_words(residents: &mut [Resident], devices: &mut [Device], room: &str, said: &Said) -> Result<()> {
    let (began, mut attempt) = (Instant::now(), 0_u32);
    loop {
        attempt += 1;
        let mut words = Vec::new();
        for resident in residents.iter_mut() {
            let text = format!("last words of {} in round {attempt}", resident.user);
            resident.say(room, said, &text)?;
            words.push(text);
        }
        let mut deaf = Vec::new();
        for device in devices.iter_mut() {
            let arrived = device.client.expect(room, &words, MOMENT)?;
            let missing = arrived.counts.iter().filter(|(_, times)| **times == 0).map(|(words, _)| words.clone());
            deaf.extend(missing.map(|words| format!("{}: `{words}`", device.title)));
            let twice = arrived.counts.iter().find(|(_, times)| **times > 1);
            ensure!(twice.is_none(), "{twice:?} came to {} more than once", device.title);
        }
        if deaf.is_empty() {
            break;
        }
        ensure!(began.elapsed() < DEVICE_PATIENCE, "devices that logged in meanwhile cannot read {deaf:?}");
    }
    everything_came(residents, room, said).context("the last words")
}

/// All cells have the same state of the room and each message once in its past.
pub(super) fn same_room(
    deployment: &Deployment,
    cells: &[(&str, &str)],
    residents: &[Resident],
    room: &str,
    said: &Said,
) -> Result<()> {
    let mut readers = Vec::new();
    for (number, (name, _)) in cells.iter().enumerate() {
        let resident = residents.iter().find(|one| one.cell == number).context("a cell without people")?;
        readers.push((*name, deployment.cell(name)?, resident));
    }
    let began = Instant::now();
    loop {
        let view = |(name, cell, resident): &(&str, &Cell, &Resident)| {
            let reader = Reader::new(resident.line.another(), (*name).to_owned());
            cell.inside(|| reader.view(room))?
        };
        let views = readers.iter().map(view).collect::<Result<Vec<View>>>()?;
        match same_state(&views) {
            Err(_) if began.elapsed() < PATIENCE => sleep(PAUSE),
            other => break other?,
        }
    }
    let said: BTreeSet<String> = said.all().into_keys().collect();
    for (name, cell, resident) in readers {
        let line = &resident.line;
        let past = cell.inside(|| past(line, room))?.with_context(|| format!("the room's past in {name}"))?;
        let twice = past.iter().find(|(_, times)| **times != 1);
        ensure!(twice.is_none(), "{twice:?} in the room's past in {name}");
        let missing: Vec<&String> = said.iter().filter(|event| !past.contains_key(*event)).collect();
        let some = &missing[..missing.len().min(SOME)];
        ensure!(missing.is_empty(), "{} messages are not in the room's past in {name}: {some:?}", missing.len());
    }
    Ok(())
}

/// How often each event stands in the room's past, as one pages through it.
fn past(line: &Line, room: &str) -> Result<BTreeMap<String, u32>> {
    let (mut from, mut found) = (String::new(), BTreeMap::new());
    loop {
        let path = format!("v3/rooms/{}/messages?dir=b&limit={PAGE}{from}", escape(room));
        let page = line.get(&path)?;
        let chunk = page["chunk"].as_array().context("a page of messages is a list")?;
        for event in chunk {
            let id = event["event_id"].as_str().context("an event has an id")?;
            *found.entry(id.to_owned()).or_default() += 1;
        }
        match page["end"].as_str() {
            // A page without events that has an end says that there is more, and that no other cell gives it now.
            Some(end) if !chunk.is_empty() => from = format!("&from={}", escape(end)),
            _ => return Ok(found),
        }
    }
}
