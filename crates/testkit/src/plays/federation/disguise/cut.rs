//! The cell that is not the gateway is stopped for a while. To Synapse that is no outage: what it tells the deployment is taken, comes to those whose cell
//! is there, and waits for the others. Only an invitation of somebody whose home is away is put off, since nobody could show it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;

use super::super::PATIENCE;
use super::super::http::escape;
use super::super::person::Person;
use super::super::report::Report;
use super::super::side::Side;
use super::{OTHER, together};
use crate::plays::cells::Deployment;
use crate::plays::once_each;

/// Messages that Synapse's person writes in each room without a pause, while the cell is stopped.
const MISSED: usize = 5;
/// How often each of the two whose servers are there speaks then, in turn.
const TURNS: usize = 3;
/// How long what waited may take to come: cells that were not reached are tried again within half a minute.
const LATER: Duration = Duration::from_mins(2);
/// How Synapse logs a request to another server and the head of each answer, after the request's name and the server's.
const ASKS: &str = "Sending request: ";
const ANSWER: &str = "Got response headers: ";
/// What stands in the path of a transaction.
const SEND: &str = "/_matrix/federation/v1/send/";
/// How a gateway answers what only a cell could that is not reached.
const PUT_OFF: u16 = 424;

/// A room of all three.
struct Room {
    id: String,
    /// Which of the rooms it is.
    what: &'static str,
    /// What is said in it while the cell is stopped.
    said: Vec<String>,
}

/// A request of Synapse and the status of each answer: it asks again after some of them.
struct Asked<'l> {
    what: &'l str,
    answers: Vec<u16>,
}

/// Stops the cell of the second of the three while the two others talk, and starts it again.
pub(super) fn play(
    report: &mut Report,
    version: &str,
    (deployment, synapse): (&mut Deployment, &Side<'_>),
    [anna, boris, eve]: [&mut Person; 3],
) {
    report.scene(&format!("{OTHER} is stopped, while others go on"));
    let Some(mut rooms) = meet(report, version, [&mut *anna, &mut *boris, &mut *eve]) else { return };
    let stopped = report.step(&format!("{OTHER} is stopped"), || {
        let log = fs::metadata(synapse.log()).context("Synapse's log")?;
        deployment.cell_mut(OTHER)?.stop()?;
        Ok(log.len())
    });
    let Some(from) = stopped else { return };
    // What only the stopped cell could answer comes first: Synapse would leave the deployment alone afterwards, if it took that for an outage.
    question(report, eve, boris);
    let further = invitations(report, version, [&mut *anna, &mut *eve], boris);
    meanwhile(report, &mut rooms, [&mut *anna, &mut *eve]);
    goes_on(report, synapse, deployment.name(), from);
    if report.step(&format!("{OTHER} starts again"), || deployment.cell_mut(OTHER)?.start()).is_some() {
        afterwards(report, &rooms, further, [anna, boris, eve]);
    }
}

/// Two rooms: in one everybody has spoken; of the other nobody has told a key yet, so that one goes to devices of the cell while it is stopped.
fn meet(report: &mut Report, version: &str, [anna, boris, eve]: [&mut Person; 3]) -> Option<[Room; 2]> {
    let whats = ["where all have spoken before", "where nobody has spoken before"];
    let mut gather = |what| {
        let id = together::gather(report, version, &mut *eve, [&mut *anna, &mut *boris])?;
        Some(Room { id, what, said: Vec::new() })
    };
    let rooms = [gather(whats[0])?, gather(whats[1])?];
    report.step("each of the three speaks in one of them, and the two others read it, once and decrypted", || {
        let mut people = [anna, boris, eve];
        for room in &rooms {
            people.iter_mut().try_for_each(|one| one.client.wait_members(&room.id, 3))?;
        }
        for speaker in 0..people.len() {
            let text = format!("before the cell is stopped, says {}", people[speaker].user);
            together::say(&mut people, speaker, &rooms[0].id, &text)?;
        }
        Ok(())
    })?;
    Some(rooms)
}

/// Synapse's person writes in both rooms, and the gateway's person answers in the first. In the other they are silent: to the cell, the key to what they
/// say and what Synapse says after it go by two ways, and either may be the faster.
fn meanwhile(report: &mut Report, rooms: &mut [Room; 2], [anna, eve]: [&mut Person; 2]) {
    for Room { id, what, said } in &mut *rooms {
        let words = format!("{eve} writes {MISSED} messages {what}, and {anna} reads them, once and decrypted");
        let texts = report.step(&words, || {
            let texts: Vec<String> =
                (0..MISSED).map(|number| format!("meanwhile, says {}, number {number}", eve.user)).collect();
            eve.client.send_many(id, &texts)?;
            once_each(&anna.to_string(), &anna.client.expect(id, &texts, PATIENCE)?)?;
            Ok(texts)
        });
        said.extend(texts.into_iter().flatten());
    }
    let [Room { id, what, said }, _] = rooms;
    let texts = report.step(&format!("{anna} and {eve} talk {what}, undisturbed"), || {
        let mut people = [&mut *anna, &mut *eve];
        let mut texts = Vec::new();
        for turn in 0..TURNS {
            for speaker in 0..people.len() {
                let text = format!("turn {turn} meanwhile, says {}", people[speaker].user);
                together::say(&mut people, speaker, id, &text)?;
                texts.push(text);
            }
        }
        Ok(texts)
    });
    said.extend(texts.into_iter().flatten());
}

/// A question that nobody can answer now.
fn question(report: &mut Report, eve: &Person, boris: &Person) {
    report.step(&format!("{eve} asks for the profile of {boris}, and is told nothing"), || {
        let path = format!("v3/profile/{}/avatar_url", escape(&boris.user));
        let told = eve.line.get(&path);
        ensure!(told.is_err(), "{told:?}");
        Ok(())
    });
}

/// A room of Synapse's to which one of two can be invited. Nobody speaks in it, so that there is nothing that the other could not read.
fn invitations(report: &mut Report, version: &str, [anna, eve]: [&mut Person; 2], boris: &Person) -> Option<String> {
    let room = report.step(&format!("{eve} makes a further room, and {anna} comes by invitation"), || {
        let room = eve.create_encrypted(version, "one comes later")?;
        together::bring(eve, anna, &room)?;
        eve.client.wait_members(&room, 2)?;
        Ok(room)
    })?;
    report.step(&format!("an invitation of {boris} is put off, and not refused for good"), || {
        let path = format!("v3/rooms/{}/invite", escape(&room));
        let (status, code) = eve.line.refusal(&path, &json!({ "user_id": boris.user }))?;
        let is_put_off = status == PUT_OFF || status >= 500;
        ensure!(is_put_off, "what {eve} is told sounds like the last word: {status} {code}");
        let member = eve.line.state(&room, "m.room.member", &boris.user);
        ensure!(member.is_err(), "{} is in the room's state: {member:?}", boris.user);
        Ok(())
    });
    Some(room)
}

/// What Synapse was told of the deployment meanwhile, by what it wrote down from a place in its log on.
fn goes_on(report: &mut Report, synapse: &Side<'_>, name: &str, from: u64) {
    let Some(log) = report.step("Synapse has written down what it asked meanwhile", || written(&synapse.log(), from))
    else {
        return;
    };
    let asked = requests(&log, name);
    report.step("each transaction of Synapse was taken, at the first attempt", || all_taken(&asked));
    report.step("nothing was answered as if the deployment were away", || {
        let outages = asked.iter().filter(|one| one.answers.iter().any(|status| is_outage(*status)));
        let outages: Vec<&str> = outages.map(|one| one.what).collect();
        ensure!(outages.is_empty(), "Synapse leaves the deployment alone for a while after {outages:?}");
        let is_put_off = asked.iter().any(|one| one.answers.contains(&PUT_OFF));
        ensure!(is_put_off, "Synapse asked nothing that only the stopped cell could answer");
        Ok(())
    });
}

/// Whoever was away has everything, and all three go on.
fn afterwards(report: &mut Report, rooms: &[Room], further: Option<String>, people: [&mut Person; 3]) {
    let [anna, boris, eve] = people;
    for Room { id, what, said } in rooms {
        report.step(&format!("{boris} reads what was said {what}, once and decrypted"), || {
            once_each(&boris.to_string(), &boris.client.expect(id, said, LATER)?)
        });
    }
    let came = further.filter(|room| {
        let words = format!("{eve} invites {boris} again, who gets the invitation, and comes");
        report.step(&words, || together::bring(eve, boris, room)).is_some()
    });
    let mut people = [anna, boris, eve];
    let further = came.map(|id| Room { id, what: "where one came later", said: Vec::new() });
    for Room { id, what, .. } in rooms.iter().chain(&further) {
        let words = format!("each of the three speaks {what}, and the two others read it, once and decrypted");
        report.step(&words, || {
            people.iter_mut().try_for_each(|one| one.client.wait_members(id, 3))?;
            for speaker in 0..people.len() {
                let text = format!("all together again, says {}", people[speaker].user);
                together::say(&mut people, speaker, id, &text)?;
            }
            Ok(())
        });
        report.step(&format!("all three servers have the same state of the room {what}"), || {
            together::agree(&people, id)
        });
    }
}

/// What stands in a log from some place on.
fn written(log: &Path, from: u64) -> Result<String> {
    let what = || format!("reading {}", log.display());
    let mut bytes = Vec::new();
    let mut file = File::open(log).with_context(what)?;
    file.seek(SeekFrom::Start(from)).with_context(what)?;
    file.read_to_end(&mut bytes).with_context(what)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The requests to a server that begin in a piece of Synapse's log: `… {PUT-O-7} [127.0.0.1:8448] Sending request: PUT matrix-federation://…`, and
/// `… {PUT-O-7} [127.0.0.1:8448] Got response headers: 200 OK`.
fn requests<'l>(log: &'l str, server: &str) -> Vec<Asked<'l>> {
    let to = format!("[{server}] ");
    let lines: Vec<(&str, &str)> = log.lines().filter_map(|line| said_of(line, &to)).collect();
    let (mut names, mut asked) = (BTreeSet::new(), Vec::new());
    for (name, said) in &lines {
        let Some(what) = said.strip_prefix(ASKS) else { continue };
        if !names.insert(*name) {
            continue;
        }
        let answers = lines.iter().filter(|(of, _)| of == name).filter_map(|(_, said)| status(said));
        asked.push(Asked { what, answers: answers.collect() });
    }
    asked
}

/// The name of a request and what a line says of it, if it goes to the server that `to` stands for.
fn said_of<'l>(line: &'l str, to: &str) -> Option<(&'l str, &'l str)> {
    let (name, rest) = line.split_once('{')?.1.split_once("} ")?;
    Some((name, rest.strip_prefix(to)?))
}

/// The status in the head of an answer.
fn status(said: &str) -> Option<u16> {
    said.strip_prefix(ANSWER)?.split_whitespace().next()?.parse().ok()
}

/// Complains of a transaction that was answered otherwise than as taken, or if there is none: then this is not how Synapse logs them.
fn all_taken(asked: &[Asked<'_>]) -> Result<()> {
    let sent: Vec<&Asked<'_>> = asked.iter().filter(|one| one.what.contains(SEND)).collect();
    ensure!(sent.iter().any(|one| one.answers.contains(&200)), "no transaction of Synapse is found that was taken");
    let refused = sent.iter().find(|one| one.answers.iter().any(|status| *status != 200));
    let Some(Asked { what, answers }) = refused else { return Ok(()) };
    bail!("{what} was answered with {answers:?}")
}

/// Whether Synapse sends nothing to a server for a while after such an answer.
fn is_outage(status: u16) -> bool {
    status >= 500 || matches!(status, 401 | 429)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "127.0.0.1:8448";

    fn line(name: &str, server: &str, said: &str) -> String {
        format!("2026-12-01 10:00:00,000 DEBUG synapse.http.matrixfederationclient {{{name}}} [{server}] {said}\n")
    }

    fn log(statuses: &[&str]) -> String {
        let path = format!("{ASKS}PUT matrix-federation://{SERVER}{SEND}1; timeout 60.000000s");
        let others =
            [line("PUT-O-6", "elsewhere:1", &path), line("PUT-O-6", "elsewhere:1", &format!("{ANSWER}500 No"))];
        let told = statuses.iter().map(|status| line("PUT-O-7", SERVER, &format!("{ANSWER}{status}")));
        let again = statuses.iter().map(|_| line("PUT-O-7", SERVER, &path));
        others.into_iter().chain(again).chain(told).chain(["{ of another thing }\n".to_owned()]).collect()
    }

    #[test]
    fn a_transaction_that_was_taken_at_the_second_attempt_is_found() {
        let read = |statuses: &[&str]| all_taken(&requests(&log(statuses), SERVER));
        assert!(read(&["200 OK"]).is_ok());
        assert!(read(&["503 Service Unavailable", "200 OK"]).is_err());
        assert!(read(&["503 Service Unavailable"]).is_err());
        assert!(read(&[]).is_err());
    }

    #[test]
    fn requests_to_other_servers_are_not_counted() {
        let log = log(&["504 Gateway Timeout", "200 OK"]);
        let asked = requests(&log, SERVER);
        assert_eq!(asked.len(), 1);
        assert!(asked[0].what.contains(SEND));
        assert_eq!(asked[0].answers, [504, 200]);
        assert!(is_outage(504) && !is_outage(404));
    }
}
