//! A public room that is found by its alias, has a history from before, and moves to another version.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;

use super::Scene;
use super::http::escape;
use super::person::{Line, Person, until};

/// Messages from before the other came.
const EARLIER: usize = 30;
/// As many pages of a list are looked at.
const PAGES: usize = 20;

/// Whether somebody may read all of these in a room's history.
fn reads(line: &Line, room: &str, texts: &[String]) -> Result<()> {
    until(|| {
        let mut found = 0;
        let mut from = String::new();
        for _ in 0..20 {
            let page = line.get(&format!("v3/rooms/{}/messages?dir=b&limit=50{from}", escape(room)))?;
            let chunk = page["chunk"].as_array().context("a page without events")?;
            found += chunk.iter().filter(|event| texts.iter().any(|text| event["content"]["body"] == **text)).count();
            match page["end"].as_str() {
                Some(end) if !chunk.is_empty() || found < texts.len() => from = format!("&from={}", escape(end)),
                _ => break,
            }
        }
        Ok(if found == texts.len() { Ok(()) } else { Err(format!("{found} of {} messages", texts.len())) })
    })
}

/// Looks for a room in the list of another server, page by page: a deployment of several cells shows the rooms of one after those of another.
fn listed(line: &Line, server: &str, room: &str, limit: usize) -> Result<()> {
    let mut since = String::new();
    for _ in 0..PAGES {
        let list = line.get(&format!("v3/publicRooms?server={}&limit={limit}{since}", escape(server)))?;
        if list["chunk"].as_array().into_iter().flatten().any(|found| found["room_id"] == room) {
            return Ok(());
        }
        let Some(next) = list["next_batch"].as_str() else { bail!("the list's last page is {list}") };
        since = format!("&since={}", escape(next));
    }
    bail!("the room is on none of {PAGES} pages")
}

/// What somebody is called on their server.
fn local(person: &Person) -> &str {
    person.user.trim_start_matches('@').split(':').next().unwrap_or_default()
}

fn next(version: &str) -> &'static str {
    if version == "10" { "11" } else { "12" }
}

impl Scene<'_> {
    pub(super) fn upgrade(&mut self) {
        let Self { version, home, away, report } = self;
        // An alias is taken once on a server, and once in all cells of a deployment; it stays taken when the room is left behind.
        let name = format!("hall-{version}-{}-{}", local(home), local(away));
        let alias = format!("#{name}:{}", home.server);
        let earlier: Vec<String> = (0..EARLIER).map(|number| format!("earlier words, number {number}")).collect();
        let Some(room) = report.step(&format!("{home} makes a public room with a history"), || {
            let fields =
                json!({ "preset": "public_chat", "visibility": "public", "room_alias_name": name, "name": "the hall" });
            let room = home.line.create(version, fields)?;
            for text in &earlier {
                home.line.say(&room, text)?;
            }
            Ok(room)
        }) else {
            return;
        };
        // Synapse answers the same question for half a minute from what it has heard: each time it is another one.
        let limit = 100 + report.count().1;
        report.step(&format!("{away} finds the room in the list of the other server"), || {
            listed(&away.line, &home.server, &room, limit)
        });
        report.step(&format!("{away} finds the room by its alias"), || {
            let found = away.line.get(&format!("v3/directory/room/{}", escape(&alias)))?;
            ensure!(found["room_id"] == room, "the alias is of {found}");
            Ok(())
        });
        report.step(&format!("{away} looks into a space of the other server"), || {
            let kind = json!({ "type": "m.space" });
            let fields = json!({ "preset": "public_chat", "creation_content": kind, "name": "all halls" });
            let space = home.line.create(version, fields)?;
            let child = format!("v3/rooms/{}/state/m.space.child/{}", escape(&space), escape(&room));
            home.line.put(&child, &json!({ "via": [home.server] }))?;
            away.line.join(&space, Some(&home.server))?;
            let found = away.line.get(&format!("v1/rooms/{}/hierarchy", escape(&space)))?;
            let mut rooms = found["rooms"].as_array().into_iter().flatten();
            ensure!(rooms.any(|found| found["room_id"] == room && found["name"] == "the hall"), "it shows {found}");
            Ok(())
        });
        let joined = report.step(&format!("{away} joins by the alias"), || {
            away.line.join(&alias, None)?;
            home.line.wait_membership(&room, &away.user, "join")
        });
        if joined.is_none() {
            return;
        }
        report.step(&format!("{away} reads the {EARLIER} messages from before"), || reads(&away.line, &room, &earlier));
        let target = next(version);
        let Some(replacement) = report.step(&format!("{home} moves the room to version {target}"), || {
            let answer =
                home.line.post(&format!("v3/rooms/{}/upgrade", escape(&room)), &json!({ "new_version": target }))?;
            Ok(answer["replacement_room"].as_str().context("there is no new room")?.to_owned())
        }) else {
            return;
        };
        report.step(&format!("{away} hears where the room went, and follows"), || {
            away.line.wait_state(&room, "m.room.tombstone", "", "names the new room", |content| {
                content["replacement_room"] == *replacement
            })?;
            away.line.join(&replacement, Some(&home.server))?;
            home.line.wait_membership(&replacement, &away.user, "join")?;
            away.line.wait_state(&replacement, "m.room.create", "", "names the old room", |content| {
                content["predecessor"]["room_id"] == room && content["room_version"] == target
            })
        });
        report.step("both talk in the new room", || {
            for (from, to) in [(&home.line, &away.line), (&away.line, &home.line)] {
                let texts = ["we are here now".to_owned()];
                let event = from.say(&replacement, &texts[0])?;
                let path = format!("v3/rooms/{}/event/{}", escape(&replacement), escape(&event));
                until(|| Ok(to.get(&path).map_err(|error| format!("{error:#}"))))?;
            }
            Ok(())
        });
        report.step(&format!("{away} leaves both rooms"), || {
            away.line.membership("leave", &room, None)?;
            away.line.membership("leave", &replacement, None)?;
            home.line.wait_membership(&replacement, &away.user, "leave")
        });
    }
}
