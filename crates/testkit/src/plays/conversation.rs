//! Four people on three kinds of clients, one of them with a second device, talk in an encrypted room while the server is
//! killed again and again.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::stage::{PASSWORD, Player, Stage, say};
use super::{PATIENCE, everybody_speaks, once_each};

/// How many messages each of two writes while the server is killed. Both bursts together fit into one sliding timeline
/// of 100: a server may leave a gap beyond that, and what is in a gap does not arrive.
const BURST: usize = 45;
/// Long enough for some of a burst to be acknowledged, and not all.
const INTO_THE_BURST: Duration = Duration::from_millis(60);

/// Plays it, and returns every text that was written.
pub fn play(stage: &mut Stage) -> Result<Vec<String>> {
    let mut alice = stage.newcomer("alice", false)?;
    let mut bob = stage.newcomer("bob", false)?;
    let mut carol = stage.newcomer_in_js("carol")?;
    let mut dave = stage.newcomer("dave", true)?;
    let room = alice.client.create_room(true, "A room for plays", &[&bob.user, &carol.user, &dave.user])?;
    for player in [&mut bob, &mut carol, &mut dave] {
        player.client.join(&room)?;
    }
    let mut everybody = [&mut alice, &mut bob, &mut carol, &mut dave];
    for player in &mut everybody {
        player.client.wait_members(&room, 4)?;
    }
    let mut texts = Vec::new();
    say("everybody speaks");
    everybody_speaks(&mut everybody, &room, "before", &mut texts)?;

    say("the server is killed while everybody is quiet");
    stage.server.kill_and_start()?;
    everybody_speaks(&mut everybody, &room, "between", &mut texts)?;

    say("the server is killed while Alice and Dave write");
    killed_in_a_burst(stage, &mut everybody, &room, &mut texts)?;

    let key = alice.client.enable_recovery().context("Alice makes a backup")?;
    let texts_before = texts.len();
    let mut second = third_device(stage, &mut alice, &room, &key, &texts)?;
    stage.server.kill_and_start()?;

    say("the new device, and Alice's first one after its process was killed too");
    alice = stage.come_back(alice)?;
    alice.client.start_sync(false)?;
    let mut everybody = [&mut alice, &mut bob, &mut carol, &mut dave, &mut second];
    everybody_speaks(&mut everybody, &room, "after", &mut texts)?;
    ensure!(texts.len() > texts_before, "nobody spoke after the new device came");
    let history = second.client.history(&room, 500, PATIENCE)?;
    ensure!(history.unreadable.is_empty(), "the new device cannot read {:?}", history.unreadable);
    Ok(texts)
}

/// What was being sent when the server died is there once: acknowledged messages are not lost, repeated ones not doubled.
fn killed_in_a_burst(
    stage: &mut Stage,
    players: &mut [&mut Player; 4],
    room: &str,
    texts: &mut Vec<String>,
) -> Result<()> {
    let [alice, bob, carol, dave] = players;
    let burst = |name: &str| -> Vec<String> {
        (0..BURST).map(|number| format!("burst: plain words of {name} number {number}")).collect()
    };
    let (of_alice, of_dave) = (burst("alice"), burst("dave"));
    thread::scope(|scope| {
        let first = scope.spawn(|| alice.client.send_many(room, &of_alice));
        let second = scope.spawn(|| dave.client.send_many(room, &of_dave));
        thread::sleep(INTO_THE_BURST);
        let writing = !(first.is_finished() && second.is_finished());
        let killed = stage.server.kill_and_start();
        let sent = [first, second].map(|sending| sending.join().map_err(|_| anyhow::anyhow!("a sender's thread died")));
        killed?;
        ensure!(writing, "both had written everything before the server was killed: nothing was put to the test");
        sent.into_iter().try_for_each(|outcome| outcome?)
    })?;
    once_each("Dave reading Alice's burst", &dave.client.expect(room, &of_alice, PATIENCE)?)?;
    once_each("Alice reading Dave's burst", &alice.client.expect(room, &of_dave, PATIENCE)?)?;
    let both: Vec<String> = of_alice.into_iter().chain(of_dave).collect();
    once_each("Bob reading both bursts", &bob.client.expect(room, &both, PATIENCE)?)?;
    once_each("Carol reading both bursts", &carol.client.expect(room, &both, PATIENCE)?)?;
    texts.extend(both);
    Ok(())
}

/// A new device of Alice's is verified by her first one, takes the backup, and reads everything that was written before it.
fn third_device(stage: &mut Stage, alice: &mut Player, room: &str, key: &str, texts: &[String]) -> Result<Player> {
    say("a new device can read nothing");
    let mut second = stage.further_device(alice, "alice-second-device")?;
    second.client.start_sync(false)?;
    let limit = u32::try_from(texts.len() + 50).context("so many messages")?;
    let blind = second.client.history(room, limit, Duration::ZERO)?;
    ensure!(blind.messages.is_empty(), "a device without keys reads {:?}", blind.messages.first());

    say("it is verified by the first one");
    alice.client.wait_device(&second.device).context("Alice's first device hears of the second")?;
    second.client.verify(&alice.device).context("Alice's second device verifies the first")?;
    second.client.wait_verified()?;

    say("the server is killed, and the device takes the backup");
    stage.server.kill_and_start()?;
    second.client.recover(key)?;
    second.client.forget_arrivals()?;
    let history = second.client.history(room, limit, PATIENCE)?;
    ensure!(history.unreadable.is_empty(), "with the backup, {} events are unreadable", history.unreadable.len());
    for text in texts {
        let times = history.messages.iter().filter(|message| message.body.as_ref() == Some(text)).count();
        ensure!(times == 1, "the new device reads `{text}` {times} times");
    }
    ensure!(second.user == alice.user && second.device != alice.device, "{PASSWORD} opened somebody else's account");
    Ok(second)
}
