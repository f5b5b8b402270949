//! The ways into a room and out of it: leaving, refusing, knocking, being a member elsewhere, bans.

use anyhow::{Result, ensure};
use serde_json::json;

use super::Scene;
use super::http::escape;
use super::person::Person;

/// Waits for an invitation and takes it.
fn accept(away: &mut Person, room: &str) -> Result<()> {
    away.line.wait("the invitation", |sync| sync["rooms"]["invite"][room].is_object())?;
    away.line.join(room, None)
}

impl Scene<'_> {
    pub(super) fn doors(&mut self, room: &str) {
        self.refusal();
        self.knock();
        self.restricted(room);
        self.leaving(room);
    }

    fn refusal(&mut self) {
        let Self { version, home, away, report } = self;
        report.step(&format!("{away} refuses an invitation of {home}"), || {
            let room = home.line.create(version, json!({ "preset": "private_chat", "invite": [away.user] }))?;
            away.line.wait("the invitation", |sync| sync["rooms"]["invite"][&room].is_object())?;
            away.line.membership("leave", &room, None)?;
            home.line.wait_membership(&room, &away.user, "leave")
        });
        report.step(&format!("{home} takes an invitation of {away} back"), || {
            let room = home.line.create(version, json!({ "preset": "private_chat", "invite": [away.user] }))?;
            away.line.wait("the invitation", |sync| sync["rooms"]["invite"][&room].is_object())?;
            home.line.membership("kick", &room, Some(&away.user))?;
            away.line.wait("the end of the invitation", |sync| sync["rooms"]["leave"][&room].is_object())
        });
    }

    fn knock(&mut self) {
        let Self { version, home, away, report } = self;
        let Some(room) = report.step(&format!("{home} makes a room where one knocks"), || {
            let rule = json!({ "type": "m.room.join_rules", "state_key": "", "content": { "join_rule": "knock" } });
            home.line.create(version, json!({ "name": "a door", "initial_state": [rule] }))
        }) else {
            return;
        };
        let knocked = report.step(&format!("{away} knocks, and {home} hears it"), || {
            let path = format!("v3/knock/{}?via={1}&server_name={1}", escape(&room), escape(&home.server));
            away.line.post(&path, &json!({ "reason": "it is cold out here" }))?;
            away.line.wait("the own knock", |sync| sync["rooms"]["knock"][&room].is_object())?;
            home.line.wait_membership(&room, &away.user, "knock")
        });
        if knocked.is_some() {
            report.step(&format!("{home} opens, and {away} comes in"), || {
                home.line.membership("invite", &room, Some(&away.user))?;
                accept(away, &room)?;
                home.line.wait_membership(&room, &away.user, "join")
            });
        }
    }

    fn restricted(&mut self, room: &str) {
        let Self { version, home, away, report } = self;
        report.step(&format!("{away} joins a room for the members of another, and both talk there"), || {
            let content =
                json!({ "join_rule": "restricted", "allow": [{ "type": "m.room_membership", "room_id": room }] });
            let rule = json!({ "type": "m.room.join_rules", "state_key": "", "content": content });
            let inner = home.line.create(version, json!({ "name": "members only", "initial_state": [rule] }))?;
            away.line.join(&inner, Some(&home.server))?;
            home.line.wait_membership(&inner, &away.user, "join")?;
            let event = away.line.say(&inner, "let in without an invitation")?;
            home.line.wait("the message", |sync| {
                let events = sync["rooms"]["join"][&inner]["timeline"]["events"].as_array();
                events.into_iter().flatten().any(|came| came["event_id"] == event)
            })
        });
    }

    fn leaving(&mut self, room: &str) {
        let Self { home, away, report, .. } = self;
        report.step(&format!("{away} leaves, and {home} sees it"), || {
            away.line.membership("leave", room, None)?;
            home.line.wait_membership(room, &away.user, "leave")
        });
        report.step(&format!("{away} comes back by a new invitation"), || {
            away.line.forget()?;
            home.line.membership("invite", room, Some(&away.user))?;
            accept(away, room)?;
            home.line.wait_membership(room, &away.user, "join")
        });
        report.step(&format!("{home} bans {away}, who sees it"), || {
            away.line.forget()?;
            home.line.membership("ban", room, Some(&away.user))?;
            away.line.wait("the ban", |sync| sync["rooms"]["leave"][room].is_object())
        });
        report.step(&format!("{away} is not let in again"), || {
            let path = format!("v3/join/{}?via={1}&server_name={1}", escape(room), escape(&home.server));
            let (status, code) = away.line.refusal(&path, &json!({}))?;
            ensure!(status == 403 && code == "M_FORBIDDEN", "the refusal is {status} {code}");
            Ok(())
        });
    }
}
