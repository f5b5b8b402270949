//! `censor --domicile PROGRAM [--rounds 20] [--bad-rounds 200]`: plays the censor to `domicile probe`, and writes a table of what it said.
//! `cargo xtask censor` is its user.
#![expect(clippy::print_stdout, reason = "answers are lines on standard output")]

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use domicile_testkit::censor::{Deed, Seen, Stage};

/// Play the censor.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program.
    #[arg(long)]
    domicile: PathBuf,
    /// How often each thing is done.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// How often the network is only bad.
    #[arg(long, default_value_t = 200)]
    bad_rounds: usize,
    /// Only what has this in its name.
    #[arg(long)]
    only: Option<String>,
    /// Networks at once.
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    /// Which packets are lost follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    println!("{:<34} {:>6} {:>6} {:>8} {:>8}  what was said", "what was done", "rounds", "right", "median", "longest");
    let mut wrong = 0;
    let deeds = [(Deed::Nothing, arguments.rounds)]
        .into_iter()
        .chain(Deed::INTERFERENCE.map(|deed| (deed, arguments.rounds)))
        .chain([(Deed::BadNetwork, arguments.bad_rounds), (Deed::WorseNetwork, arguments.bad_rounds)]);
    let wanted = |deed: &Deed| arguments.only.as_ref().is_none_or(|only| deed.name().contains(only.as_str()));
    let stages = (0..arguments.at_once.max(1)).map(|number| {
        Stage::new(arguments.seed + u64::try_from(number)?, &arguments.domicile, 1).context("setting the stage")
    });
    let stages: Vec<Stage> = stages.collect::<Result<_>>()?;
    for (deed, rounds) in deeds.filter(|(deed, rounds)| *rounds > 0 && wanted(deed)) {
        wrong += played(&stages, deed, rounds)?;
    }
    drop(stages);
    wrong += ten(&arguments)?;
    if wrong > 0 {
        bail!("{wrong} rounds were judged wrongly");
    }
    Ok(())
}

/// Plays some rounds, and gives how many were judged wrongly.
fn played(stages: &[Stage], deed: Deed, rounds: usize) -> Result<usize> {
    let left = AtomicUsize::new(rounds);
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    let seen: Vec<Result<Vec<Seen>>> = std::thread::scope(|scope| {
        let runs: Vec<_> = stages
            .iter()
            .map(|stage| {
                scope.spawn(move || {
                    let mut seen = Vec::new();
                    while take() {
                        seen.extend(stage.run(deed, 1)?);
                    }
                    Ok(seen)
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap_or_else(|_| bail!("a round panicked"))).collect()
    });
    let mut all = Vec::new();
    for seen in seen {
        all.extend(seen?);
    }
    let right = |seen: &Seen| seen.kinds.iter().all(|kind| deed.right().contains(&kind.as_str()));
    let good = all.iter().filter(|seen| right(seen)).count();
    let (median, longest) = times(&all);
    println!("{:<34} {rounds:>6} {good:>6} {median:>8} {longest:>8}  {}", deed.name(), said(&all));
    for seen in all.iter().filter(|seen| !right(seen)).take(3) {
        println!("    wrong: {:?} {:#?}", seen.kinds, seen.evidence);
    }
    Ok(all.len() - good)
}

/// The verdicts, with how often each was given.
fn said(all: &[Seen]) -> String {
    let mut said: BTreeMap<&str, usize> = BTreeMap::new();
    for kind in all.iter().flat_map(|seen| &seen.kinds) {
        *said.entry(kind).or_default() += 1;
    }
    let said: Vec<String> = said.iter().map(|(kind, times)| format!("{kind} {times}")).collect();
    said.join(", ")
}

fn times(all: &[Seen]) -> (String, String) {
    let mut took: Vec<u64> = all.iter().map(|seen| seen.took_ms).collect();
    took.sort_unstable();
    let shown =
        |ms: Option<&u64>| format!("{:.1} s", Duration::from_millis(ms.copied().unwrap_or_default()).as_secs_f64());
    (shown(took.get(took.len() / 2)), shown(took.last()))
}

/// How long a run takes that looks at ten names of one host, and what it says. Gives how many were judged wrongly.
fn ten(arguments: &Arguments) -> Result<usize> {
    println!("\nten names of one host at once:");
    let mut wrong = 0;
    let wanted = |deed: &Deed| arguments.only.as_ref().is_none_or(|only| deed.name().contains(only.as_str()));
    let often = arguments.rounds.div_ceil(10);
    let bad = [Deed::BadNetwork, Deed::WorseNetwork].map(|deed| (deed, arguments.bad_rounds.div_ceil(20)));
    let all = [Deed::Nothing].into_iter().chain(Deed::INTERFERENCE).map(|deed| (deed, often)).chain(bad);
    for (deed, rounds) in all.filter(|(deed, _)| wanted(deed)) {
        // A stage of its own: hosts send again and again what was lost in what was done before, and a narrow line would carry little else.
        let stage = Stage::new(arguments.seed, &arguments.domicile, 10).context("setting the stage")?;
        let mut seen = Vec::new();
        for _ in 0..rounds {
            seen.extend(stage.run(deed, 1)?);
        }
        let is_right = |kind: &&String| deed.right().contains(&kind.as_str());
        let (right, of) = (seen.iter().flat_map(|seen| &seen.kinds).filter(is_right).count(), 10 * seen.len());
        println!("{:<34} {right:>3} of {of:>3} right, {}, {}", deed.name(), times(&seen).1, said(&seen));
        wrong += of - right;
    }
    Ok(wrong)
}
