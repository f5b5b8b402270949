//! What whoever watches sees: acts, what is told, claims that hold or do not, tables. In colour where that is a terminal's.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::fmt::Display;
use std::io::Write;
use std::time::Instant;

use anyhow::{Context as _, Result};

/// Columns that are written at most.
const WIDTH: usize = 96;
const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const RED: &str = "31;1";
const YELLOW: &str = "33";

/// A screen, and what was claimed on it.
pub struct Screen<'w> {
    out: &'w mut dyn Write,
    is_coloured: bool,
    began: Instant,
    acts: u32,
    claims: u32,
    broken: Vec<String>,
}

impl<'w> Screen<'w> {
    /// A screen on which nothing stands yet.
    pub fn new(out: &'w mut dyn Write, is_coloured: bool) -> Self {
        Self { out, is_coloured, began: Instant::now(), acts: 0, claims: 0, broken: Vec::new() }
    }

    /// The claims that were made.
    pub fn claims(&self) -> u32 {
        self.claims
    }

    /// The claims that did not hold, each with why.
    pub fn broken(&self) -> &[String] {
        &self.broken
    }

    /// Seconds since the beginning.
    pub fn seconds(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    fn line(&mut self, text: &str) -> Result<()> {
        // Whoever watches sees each line when it is true, also through a pipe.
        writeln!(self.out, "{}", text.trim_end()).and_then(|()| self.out.flush()).context("writing to the screen")
    }

    fn coloured(&self, colour: &str, text: &str) -> String {
        if self.is_coloured { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A new act.
    pub(super) fn act(&mut self, title: &str) -> Result<()> {
        self.acts += 1;
        let seconds = self.seconds();
        let (head, time) = (format!("{}  {title} ", self.acts), format!(" {}:{:02}", seconds / 60, seconds % 60));
        let rule = "─".repeat(WIDTH.saturating_sub(head.chars().count() + time.len()));
        let (head, rest) = (self.coloured(BOLD, &head), self.coloured(DIM, &format!("{rule}{time}")));
        self.line("")?;
        self.line(&format!("{head}{rest}"))
    }

    /// Something to know.
    pub(super) fn tell(&mut self, words: &str) -> Result<()> {
        self.wrapped("   ", "   ", words, None)
    }

    /// Something that a program said, as it stands.
    pub(super) fn quote(&mut self, words: &str) -> Result<()> {
        self.wrapped("   │ ", "   │ ", words, Some(DIM))
    }

    /// A line of a table.
    pub(super) fn row(&mut self, cells: &str, is_head: bool) -> Result<()> {
        let cut = shortened(cells, WIDTH - 3);
        let shown = if is_head { self.coloured(DIM, &cut) } else { cut };
        self.line(&format!("   {shown}"))
    }

    /// A claim, with what was found when it was checked. One that does not hold is remembered, and the play goes on.
    pub(super) fn claim(&mut self, words: &str, found: Result<impl Display>) -> Result<()> {
        self.claims += 1;
        match found {
            Ok(found) => {
                let found = found.to_string();
                let words = if found.is_empty() { words.to_owned() } else { format!("{words}: {found}") };
                let mark = self.coloured(GREEN, "✓");
                self.wrapped(&format!(" {mark} "), "   ", &words, None)
            }
            Err(error) => {
                let words = format!("{words}: {error:#}");
                let mark = self.coloured(RED, "✗");
                self.wrapped(&format!(" {mark} "), "   ", &words, Some(RED))?;
                self.broken.push(words);
                Ok(())
            }
        }
    }

    /// Something that is as it must be, and no reason to be glad.
    pub(super) fn caution(&mut self, words: &str) -> Result<()> {
        let mark = self.coloured(YELLOW, "!");
        self.wrapped(&format!(" {mark} "), "   ", words, None)
    }

    /// Words in as many lines as they need. `first` stands before the first and `further` before the others.
    fn wrapped(&mut self, first: &str, further: &str, words: &str, colour: Option<&str>) -> Result<()> {
        for (number, part) in wrap(words, WIDTH - 5).into_iter().enumerate() {
            let before = if number == 0 { first } else { further };
            let part = colour.map_or_else(|| part.clone(), |colour| self.coloured(colour, &part));
            self.line(&format!("{before}{part}"))?;
        }
        Ok(())
    }
}

/// Lines of at most so many letters, as far as words are not longer.
fn wrap(words: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in words.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// A line of at most so many letters: one that is longer ends after a word of it, and says so.
fn shortened(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let cut: String = line.chars().take(width - 2).collect();
    let whole = cut.rsplit_once(' ').map_or(&*cut, |(whole, _)| whole);
    format!("{} …", whole.trim_end())
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_claim_that_does_not_hold_is_remembered_and_lines_are_short() {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, false);
        screen.act("Somebody speaks").unwrap();
        screen.claim("it holds", Ok("twice")).unwrap();
        screen.claim("it does not hold", Err::<&str, _>(anyhow!("{}", "a reason ".repeat(30)))).unwrap();
        assert_eq!((screen.claims(), screen.broken().len()), (2, 1));
        assert!(screen.broken()[0].starts_with("it does not hold: a reason"));
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(" ✓ it holds: twice\n") && text.contains(" ✗ it does not hold: a reason"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_eq!(shortened("one two three", 13), "one two three");
        assert_eq!(shortened("one two three", 12), "one two …");
        assert!(!text.contains('\x1b'), "colour only where it was asked for");
    }
}
