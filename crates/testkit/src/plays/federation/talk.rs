//! An encrypted room of two servers: how they meet in it, what they say, whether they know each other.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::person::{Person, until};
use super::{PATIENCE, Scene};
use crate::plays::once_each;

/// Messages that each writes without a pause.
const BURST: usize = 20;
/// Length of a file in bytes: several blocks, and not a whole number of them.
const FILE: usize = 100_003;

/// How long a new device waits for a message before another one is written: the other server may not know of it yet.
const MOMENT: Duration = Duration::from_secs(2);
/// As many messages are written for it.
const ATTEMPTS: usize = 6;

/// One says something, the other reads it, once.
fn say(from: &mut Person, to: &mut Person, room: &str, text: &str) -> Result<()> {
    let text = format!("{text}, says {from}");
    from.client.send(room, &text)?;
    let arrived = to.client.expect(room, std::slice::from_ref(&text), PATIENCE)?;
    once_each(&to.to_string(), &arrived)
}

impl Scene<'_> {
    /// An encrypted room with both in it; nothing where they do not get there.
    pub(super) fn meet(&mut self) -> Option<String> {
        let Self { version, home, away, report } = self;
        let room = report.step(&format!("{home} makes an encrypted room of version {version}"), || {
            home.create_encrypted(version, "two servers")
        })?;
        report.step(&format!("{home} invites {away}"), || home.client.invite(&room, &away.user))?;
        report.step(&format!("{away} sees the invitation, with the room's name and encryption"), || {
            away.line.wait("the invitation", |sync| {
                let Some(events) = sync["rooms"]["invite"][&room]["invite_state"]["events"].as_array() else {
                    return false;
                };
                let has = |kind: &str| events.iter().any(|event| event["type"] == kind);
                has("m.room.name") && has("m.room.encryption")
            })
        });
        report.step(&format!("{away} joins"), || away.client.join(&room))?;
        report.step("both see two members", || {
            home.client.wait_members(&room, 2)?;
            away.client.wait_members(&room, 2)
        })?;
        Some(room)
    }

    pub(super) fn talk(&mut self, room: &str) {
        let Self { home, away, report, .. } = self;
        report.step(&format!("{away} reads what {home} writes"), || say(home, away, room, "good morning"));
        report.step(&format!("{home} reads what {away} writes"), || say(away, home, room, "good evening"));
        report.step(&format!("{BURST} messages from each at full speed arrive, once"), || {
            let bodies = |person: &Person| -> Vec<String> {
                (0..BURST).map(|number| format!("fast words of {} number {number}", person.user)).collect()
            };
            let (first, second) = (bodies(home), bodies(away));
            std::thread::scope(|scope| {
                let one = scope.spawn(|| home.client.send_many(room, &first));
                let two = away.client.send_many(room, &second);
                one.join().map_err(|_| anyhow::anyhow!("the sender panicked"))?.and(two)
            })?;
            once_each(&away.to_string(), &away.client.expect(room, &first, PATIENCE)?)?;
            once_each(&home.to_string(), &home.client.expect(room, &second, PATIENCE)?)
        });
        report.step(&format!("{home} verifies {away} by emoji"), || {
            home.client.verify_of(&away.user, &away.device)?;
            home.client.wait_user_verified(&away.user)?;
            away.client.wait_user_verified(&home.user)
        });
        report.step(&format!("a new device of {away} reads what {home} writes"), || {
            let mut device = away.further_device()?;
            for attempt in 0..ATTEMPTS {
                let text = vec![format!("words for a new device, {attempt}")];
                home.client.send(room, &text[0])?;
                if device.expect(room, &text, MOMENT)?.complete {
                    return device.logout();
                }
            }
            bail!("none of {ATTEMPTS} messages could be read on it")
        });
        report.step(&format!("{away} downloads and decrypts a file of {home}"), || {
            let text: String = ('a'..='z').cycle().take(FILE).collect();
            let event = home.client.send_file(room, "letters.txt", &text)?;
            let read = until(|| Ok(away.client.read_file(room, &event).map_err(|error| format!("{error:#}"))))?;
            ensure!(read == text, "the file has {} bytes, and not those that were sent", read.len());
            Ok(())
        });
    }
}
