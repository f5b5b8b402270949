//! What was done, how long it took, and what the servers said where it went wrong.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

/// Lines of a server's log that are shown for a step that failed.
const LINES: usize = 12;
/// A line of a log is shown up to here.
const WIDTH: usize = 400;

#[derive(Debug)]
struct Step {
    scene: String,
    words: String,
    took: Duration,
    error: Option<String>,
}

/// The steps so far. Each is told on standard error as it ends.
#[derive(Debug)]
pub struct Report {
    steps: Vec<Step>,
    scene: String,
    logs: Vec<(String, PathBuf)>,
}

impl Report {
    pub(super) fn new(logs: Vec<(String, PathBuf)>) -> Self {
        Self { steps: Vec::new(), scene: String::new(), logs }
    }

    /// What follows belongs to this scene.
    pub(super) fn scene(&mut self, title: &str) {
        title.clone_into(&mut self.scene);
        eprintln!("{title}");
    }

    /// Does one thing, and writes down how it went.
    pub(super) fn step<T>(&mut self, words: &str, act: impl FnOnce() -> Result<T>) -> Option<T> {
        let lengths: Vec<u64> = self.logs.iter().map(|(_, log)| log.metadata().map_or(0, |file| file.len())).collect();
        let began = Instant::now();
        let outcome = act();
        let took = began.elapsed();
        let error = outcome.as_ref().err().map(|error| format!("{error:#}"));
        match &error {
            None => eprintln!("  good  {:>6} ms  {words}", took.as_millis()),
            Some(error) => {
                eprintln!("  FAILS {:>6} ms  {words}\n        {error}", took.as_millis());
                for ((title, log), from) in self.logs.iter().zip(lengths) {
                    eprintln!("        {title} says:\n{}", end_of(log, from));
                }
            }
        }
        self.steps.push(Step { scene: self.scene.clone(), words: words.to_owned(), took, error });
        outcome.ok()
    }

    /// This report, and another one after it.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.steps.extend(other.steps);
        self
    }

    /// How many steps went well, of how many.
    pub fn count(&self) -> (usize, usize) {
        (self.steps.iter().filter(|step| step.error.is_none()).count(), self.steps.len())
    }

    /// The steps that failed, with their errors, one a line.
    pub fn failures(&self) -> Vec<String> {
        let failed = self.steps.iter().filter_map(|step| Some((step, step.error.as_ref()?)));
        failed.map(|(step, error)| format!("{}: {}: {error}", step.scene, step.words)).collect()
    }

    /// How long all steps took together.
    pub fn took(&self) -> Duration {
        self.steps.iter().map(|step| step.took).sum()
    }
}

/// The last lines that a server wrote since `from`, complaints first.
fn end_of(log: &Path, from: u64) -> String {
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut bytes)
    });
    if let Err(error) = read {
        return format!("          (its log {} cannot be read: {error})", log.display());
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let complaints: Vec<&str> =
        lines.iter().filter(|line| line.contains("WARN") || line.contains("ERROR")).copied().collect();
    let chosen = if complaints.is_empty() { &lines } else { &complaints };
    let last = chosen[chosen.len().saturating_sub(LINES)..].iter();
    let shown = |line: &str| format!("          {}\n", line.chars().take(WIDTH).collect::<String>());
    last.fold(String::new(), |text, line| text + &shown(line))
}
