//! One encrypted room with people of both cells and of Synapse: who makes it is each of them in turn.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::super::PATIENCE;
use super::super::person::{Person, until};
use super::super::report::Report;
use super::super::traffic::{Reader, View, same_state};
use crate::plays::once_each;

/// How long a file may take to be there.
const FILE_PATIENCE: Duration = Duration::from_secs(30);
/// What is sent as a file, several blocks of a cipher long.
const FILE: usize = 50_021;

/// Plays it with each of the three as the room's maker.
pub(super) fn play(report: &mut Report, version: &str, people: [&mut Person; 3]) {
    let mut people = people;
    for _ in 0..people.len() {
        let [host, first, second] = people.each_mut().map(|one| &mut **one);
        report.scene(&format!("room of all three, made by {host}"));
        if let Some(room) = gather(report, version, &mut *host, [&mut *first, &mut *second]) {
            talk(report, &room, [&mut *host, &mut *first, &mut *second]);
            part(report, &room, [host, first, second]);
        }
        people.rotate_left(1);
    }
}

/// An encrypted room with all three in it, in which nobody has said anything.
pub(super) fn gather(
    report: &mut Report,
    version: &str,
    host: &mut Person,
    guests: [&mut Person; 2],
) -> Option<String> {
    let all = format!("{host} makes an encrypted room, and the two others come by invitation");
    report.step(&all, || {
        let room = host.create_encrypted(version, "three of us")?;
        for guest in guests {
            bring(host, guest, &room)?;
        }
        Ok(room)
    })
}

/// One invites the other, who comes.
pub(super) fn bring(host: &mut Person, guest: &mut Person, room: &str) -> Result<()> {
    guest.line.forget()?;
    host.client.invite(room, &guest.user)?;
    guest.line.wait("the invitation", |sync| sync["rooms"]["invite"][room].is_object())?;
    // A cell that is in the room already may not have heard of the invitation yet; then the first attempt is refused.
    until(|| Ok(guest.client.join(room).map_err(|error| format!("{error:#}"))))
}

/// One of some people says something, and all others read it, once and decrypted.
pub(super) fn say(people: &mut [&mut Person], speaker: usize, room: &str, text: &str) -> Result<()> {
    let text = [text.to_owned()];
    people[speaker].client.send(room, &text[0])?;
    for (_, listener) in people.iter_mut().enumerate().filter(|(number, _)| *number != speaker) {
        let arrived = listener.client.expect(room, &text, PATIENCE)?;
        once_each(&listener.to_string(), &arrived)?;
    }
    Ok(())
}

/// Waits until the servers of some people have the same state of a room.
pub(super) fn agree(people: &[&mut Person], room: &str) -> Result<()> {
    let readers: Vec<Reader> = people.iter().map(|one| Reader::new(one.line.another(), one.to_string())).collect();
    until(|| {
        let views = readers.iter().map(|reader| reader.view(room)).collect::<Result<Vec<View>>>()?;
        Ok(same_state(&views).map_err(|error| format!("{error:#}")))
    })
}

fn talk(report: &mut Report, room: &str, mut people: [&mut Person; 3]) {
    report.step("each of the three sees all three", || {
        people.iter_mut().try_for_each(|one| one.client.wait_members(room, 3))
    });
    for speaker in 0..people.len() {
        let words = format!("{} speaks, and the two others read it, once and decrypted", people[speaker]);
        report.step(&words, || {
            let text = format!("to both of you, says {}", people[speaker].user);
            say(&mut people, speaker, room, &text)
        });
        let words = format!("the two others download and decrypt a file of {}", people[speaker]);
        report.step(&words, || {
            let text: String = ('a'..='z').cycle().take(FILE).collect();
            let event = people[speaker].client.send_file(room, "three.txt", &text)?;
            for (_, listener) in people.iter_mut().enumerate().filter(|(number, _)| *number != speaker) {
                let began = Instant::now();
                let read = loop {
                    match listener.client.read_file(room, &event) {
                        Err(error) if began.elapsed() > FILE_PATIENCE => return Err(error),
                        Err(_) => {}
                        Ok(read) => break read,
                    }
                };
                ensure!(read == text, "{listener} has a file of {} bytes, and not the one that was sent", read.len());
            }
            Ok(())
        });
    }
    report.step("all three servers have the same state", || agree(&people, room));
}

/// One is banned, and the other leaves.
fn part(report: &mut Report, room: &str, [host, first, second]: [&mut Person; 3]) {
    report.step(&format!("{host} bans {first}; {first} and {second} see it"), || {
        first.line.forget()?;
        host.line.membership("ban", room, Some(&first.user))?;
        first.line.wait("the ban", |sync| sync["rooms"]["leave"][room].is_object())?;
        second.line.wait_membership(room, &first.user, "ban")
    });
    report.step(&format!("{second} leaves, and {host} sees it"), || {
        second.line.membership("leave", room, None)?;
        host.line.wait_membership(room, &second.user, "leave")
    });
}
