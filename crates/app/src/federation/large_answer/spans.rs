//! Where the parts of a large JSON object lie: its members, and the elements of those of its lists that are asked for. What the parts are is not
//! looked at; whoever reads one finds out whether it is JSON.

use std::{
    collections::HashMap,
    io::{self, Read},
};

/// Elements that a list may have. Text as small as can be is many times as large in memory.
const ELEMENTS: usize = 1_000_000;
/// Members that the object may have, and bytes of the name of one.
const MEMBERS: usize = 1_000;
const NAME: usize = 1_024;
const BUFFER: usize = 64 * 1024;

/// A part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Where it begins, in bytes.
    pub(super) from: u64,
    /// How long it is; of what is longer than can be told, as long as can be told.
    pub(super) length: u32,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) members: HashMap<String, Span>,
    pub(super) lists: HashMap<String, Vec<Span>>,
}

/// Reads an object to its end. The error says what is wrong with it.
pub(super) fn find(reader: impl Read, lists: &[&str]) -> Result<Found, String> {
    let mut text = Text { reader, buffer: vec![0; BUFFER], at: 0, filled: 0, before: 0 };
    let mut found = Found::default();
    text.expect(b'{')?;
    if text.after_space()? == Some(b'}') {
        text.step();
    } else {
        loop {
            member(&mut text, lists, &mut found)?;
            if !text.goes_on(b'}')? {
                break;
            }
        }
    }
    match text.after_space()? {
        None => Ok(found),
        Some(_) => Err(text.wrong("something comes after the end")),
    }
}

fn member<R: Read>(text: &mut Text<R>, lists: &[&str], found: &mut Found) -> Result<(), String> {
    let name = text.name()?;
    text.expect(b':')?;
    if found.members.contains_key(&name) || found.lists.contains_key(&name) {
        return Err(text.wrong(&format!("`{name}` is there twice")));
    }
    if found.members.len() == MEMBERS {
        return Err(text.wrong("it has too many members"));
    }
    if !lists.contains(&name.as_str()) {
        let span = text.value()?;
        found.members.insert(name, span);
        return Ok(());
    }
    let mut elements = Vec::new();
    text.expect(b'[')?;
    if text.after_space()? == Some(b']') {
        text.step();
    } else {
        loop {
            if elements.len() == ELEMENTS {
                return Err(text.wrong(&format!("`{name}` has more than {ELEMENTS} elements")));
            }
            elements.push(text.value()?);
            if !text.goes_on(b']')? {
                break;
            }
        }
    }
    found.lists.insert(name, elements);
    Ok(())
}

/// The text, of which a piece at a time is in memory.
struct Text<R> {
    reader: R,
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    /// Bytes before the buffer.
    before: u64,
}

impl<R: Read> Text<R> {
    fn place(&self) -> u64 {
        self.before + self.at as u64
    }

    fn wrong(&self, what: &str) -> String {
        format!("{what}, at byte {}", self.place())
    }

    /// What is left of the piece in memory; nothing at the end.
    fn piece(&mut self) -> Result<&[u8], String> {
        while self.at == self.filled {
            self.before += self.filled as u64;
            (self.at, self.filled) = (0, 0);
            match self.reader.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => self.filled = count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(self.buffer.get(self.at..self.filled).unwrap_or_default())
    }

    fn peek(&mut self) -> Result<Option<u8>, String> {
        Ok(self.piece()?.first().copied())
    }

    fn step(&mut self) {
        self.at += 1;
    }

    fn after_space(&mut self) -> Result<Option<u8>, String> {
        loop {
            match self.peek()? {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.step(),
                other => return Ok(other),
            }
        }
    }

    fn expect(&mut self, wanted: u8) -> Result<(), String> {
        if self.after_space()? == Some(wanted) {
            self.step();
            return Ok(());
        }
        Err(self.wrong(&format!("`{}` is missing", char::from(wanted))))
    }

    /// Whether a comma comes, or the end.
    fn goes_on(&mut self, end: u8) -> Result<bool, String> {
        match self.after_space()? {
            Some(b',') => {
                self.step();
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.step();
                Ok(false)
            }
            _ => Err(self.wrong(&format!("`,` or `{}` is missing", char::from(end)))),
        }
    }

    /// The name of a member.
    fn name(&mut self) -> Result<String, String> {
        if self.after_space()? != Some(b'"') {
            return Err(self.wrong("a name is missing"));
        }
        let mut raw = vec![b'"'];
        self.step();
        let mut escaped = false;
        loop {
            let Some(byte) = self.peek()? else { return Err(self.wrong("it ends within a name")) };
            self.step();
            raw.push(byte);
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => break,
                _ if raw.len() > NAME => return Err(self.wrong("a name is too long")),
                _ => {}
            }
        }
        serde_json::from_slice(&raw).map_err(|error| self.wrong(&format!("a name is none ({error})")))
    }

    /// Goes over a value.
    fn value(&mut self) -> Result<Span, String> {
        let first = self.after_space()?;
        let from = self.place();
        match first {
            Some(b'{' | b'[' | b'"') => self.enclosed()?,
            Some(b',' | b']' | b'}' | b':') | None => return Err(self.wrong("a value is missing")),
            Some(_) => self.bare()?,
        }
        Ok(Span { from, length: u32::try_from(self.place() - from).unwrap_or(u32::MAX) })
    }

    /// Goes over an object, a list or a string: to where all is closed again.
    fn enclosed(&mut self) -> Result<(), String> {
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        loop {
            let piece = self.piece()?;
            if piece.is_empty() {
                return Err(self.wrong("it ends within a value"));
            }
            let mut end = None;
            for (index, byte) in piece.iter().enumerate() {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if in_string => escaped = true,
                    b'"' => in_string = !in_string,
                    _ if in_string => {}
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if depth == 0 && !in_string {
                    end = Some(index + 1);
                    break;
                }
            }
            let length = piece.len();
            self.at += end.unwrap_or(length);
            if end.is_some() {
                return Ok(());
            }
        }
    }

    /// Goes over a number or a word.
    fn bare(&mut self) -> Result<(), String> {
        while let Some(byte) = self.peek()? {
            if matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r') {
                break;
            }
            self.step();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time: no value may depend on where a piece ends.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            into[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn shown(text: &str, span: Span) -> &str {
        let from = usize::try_from(span.from).unwrap();
        &text[from..from + span.length as usize]
    }

    #[test]
    fn members_and_elements_lie_where_they_lie() {
        let text = r#" { "state" : [ {"a":"}]\""} , [1,[2]] ,"x,]", 17,null ] ,"event":{"b":[{}]},"none":[],"n\u0061me":true } "#;
        for reader in [Box::new(text.as_bytes()) as Box<dyn Read>, Box::new(Slowly(text.as_bytes()))] {
            let found = find(reader, &["state", "none"]).unwrap();
            let state: Vec<&str> = found.lists["state"].iter().map(|span| shown(text, *span)).collect();
            assert_eq!(state, [r#"{"a":"}]\""}"#, "[1,[2]]", r#""x,]""#, "17", "null"]);
            assert!(found.lists["none"].is_empty());
            assert_eq!(shown(text, found.members["event"]), r#"{"b":[{}]}"#);
            assert_eq!(shown(text, found.members["name"]), "true");
        }
        assert!(find("{}".as_bytes(), &[]).unwrap().members.is_empty());
    }

    #[test]
    fn what_is_no_object_is_told_with_its_place() {
        for (text, wrong) in [
            ("", "`{` is missing, at byte 0"),
            ("[]", "`{` is missing"),
            ("{\"a\" 1}", "`:` is missing, at byte 5"),
            ("{\"a\":}", "a value is missing"),
            ("{\"a\":1 2}", "`,` or `}` is missing"),
            ("{\"a\":1} x", "something comes after the end"),
            ("{\"a\":1,}", "a name is missing"),
            ("{\"a\":1,\"a\":2}", "`a` is there twice"),
            ("{\"l\":1}", "`[` is missing"),
            ("{\"l\":[1,]}", "a value is missing"),
            ("{\"l\":[{\"a\":[}", "it ends within a value"),
            ("{\"l\":[{\"a\":\"", "it ends within a value"),
            ("{\"l", "it ends within a name"),
            ("{\"\\x\":1}", "a name is none"),
        ] {
            let error = find(text.as_bytes(), &["l"]).unwrap_err();
            assert!(error.contains(wrong), "{text}: {error}");
        }
        let long = format!("{{\"{}\":1}}", "n".repeat(2_000));
        assert!(find(long.as_bytes(), &[]).unwrap_err().contains("too long"));
        let many: Vec<String> = (0..=MEMBERS).map(|index| format!("\"{index}\":1")).collect();
        assert!(find(format!("{{{}}}", many.join(",")).as_bytes(), &[]).unwrap_err().contains("too many"));
    }
}
