//! What people notice of each other beside messages: typing, receipts, corrections, names.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Scene;
use super::http::escape;
use super::person::{Person, until};

/// The transient events of a room in an answer of `/sync`.
fn ephemeral<'a>(sync: &'a Value, room: &str, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let events = sync["rooms"]["join"][room]["ephemeral"]["events"].as_array();
    events.into_iter().flatten().filter(move |event| event["type"] == kind).map(|event| &event["content"])
}

fn types(person: &Person, room: &str, typing: bool) -> Result<()> {
    let path = format!("v3/rooms/{}/typing/{}", escape(room), escape(&person.user));
    person.line.put(&path, &json!({ "typing": typing, "timeout": 30_000 })).map(drop)
}

impl Scene<'_> {
    pub(super) fn signs(&mut self, room: &str) {
        self.typing_and_receipts(room);
        self.presence();
        self.changes(room);
        self.profiles(room);
    }

    fn typing_and_receipts(&mut self, room: &str) {
        let Self { home, away, report, .. } = self;
        report.step(&format!("{away} sees that {home} types, and stops"), || {
            types(home, room, true)?;
            let user = &home.user;
            away.line.wait("typing", |sync| {
                ephemeral(sync, room, "m.typing").any(|content| content["user_ids"] == json!([user]))
            })?;
            away.line.forget()?;
            types(home, room, false)?;
            away.line.wait("the end of typing", |sync| {
                ephemeral(sync, room, "m.typing").any(|content| content["user_ids"] == json!([]))
            })
        });
        report.step(&format!("{home} sees that {away} has read a message"), || {
            let text = format!("read this, {away}");
            let event = home.client.send(room, &text)?;
            away.client.expect(room, &[text], super::PATIENCE)?;
            away.line.post(&format!("v3/rooms/{}/receipt/m.read/{}", escape(room), escape(&event)), &json!({}))?;
            let user = &away.user;
            home.line.wait("the receipt", |sync| {
                ephemeral(sync, room, "m.receipt").any(|content| content[&event]["m.read"][user].is_object())
            })
        });
    }

    fn presence(&mut self) {
        let Self { version, home, away, report } = self;
        report.step(&format!("{away} sees what {home} says about being there"), || {
            // Told twice, the same is told once.
            let words = format!("in version {version}, to {}", away.user);
            let path = format!("v3/presence/{}/status", escape(&home.user));
            home.line.put(&path, &json!({ "presence": "online", "status_msg": words }))?;
            let user = &home.user;
            away.line.wait("the presence", |sync| {
                let mut events = sync["presence"]["events"].as_array().into_iter().flatten();
                events.any(|event| event["sender"] == *user && event["content"]["status_msg"] == words)
            })
        });
    }

    fn changes(&mut self, room: &str) {
        let Self { home, away, report, .. } = self;
        for (from, to) in [(&*home, &*away), (&*away, &*home)] {
            report.step(&format!("{to} loses a message that {from} redacts"), || {
                let event = from.line.say(room, "a slip of the tongue")?;
                let path = format!("v3/rooms/{}/event/{}", escape(room), escape(&event));
                until(|| Ok(to.line.get(&path).map_err(|error| format!("the message did not come: {error:#}"))))?;
                from.line.redact(room, &event)?;
                until(|| {
                    let now = to.line.get(&path)?;
                    let gone = now["content"]["body"].is_null() && now["unsigned"]["redacted_because"].is_object();
                    Ok(if gone { Ok(()) } else { Err(format!("{event} is still there: {now}")) })
                })
            });
        }
        report.step(&format!("{away} sees the topic that {home} gives the room"), || {
            home.line.set_state(room, "m.room.topic", &json!({ "topic": "two servers, one room" }))?;
            away.line.wait_state(room, "m.room.topic", "", "is the new one", |content| {
                content["topic"] == "two servers, one room"
            })
        });
        report.step(&format!("{away}, given the power to, names the room"), || {
            let mut levels = home.line.state(room, "m.room.power_levels", "").context("the levels")?;
            levels["users"][&away.user] = 50.into();
            home.line.set_state(room, "m.room.power_levels", &levels)?;
            let user = &away.user;
            away.line.wait_state(room, "m.room.power_levels", "", "gives the power", |content| {
                content["users"][user] == 50
            })?;
            away.line.set_state(room, "m.room.name", &json!({ "name": "named from afar" }))?;
            home.line
                .wait_state(room, "m.room.name", "", "is the new one", |content| content["name"] == "named from afar")
        });
    }

    fn profiles(&mut self, room: &str) {
        let Self { home, away, report, version } = self;
        let name = format!("{} in {version}", home.user);
        report.step(&format!("{away} sees the new name of {home} in the room"), || {
            let path = format!("v3/profile/{}/displayname", escape(&home.user));
            home.line.put(&path, &json!({ "displayname": name }))?;
            away.line.wait_state(room, "m.room.member", &home.user, "has the new name", |content| {
                content["displayname"] == name
            })
        });
        report.step(&format!("{away} asks for the profile of {home}"), || {
            let path = format!("v3/profile/{}", escape(&home.user));
            until(|| {
                let profile = away.line.get(&path)?;
                let good = profile["displayname"] == name;
                Ok(if good { Ok(()) } else { Err(format!("the profile is {profile}")) })
            })
        });
    }
}
