//! The reader of JSON.

use std::borrow::Cow;

use super::{DEPTH, Document, Json, JsonError, LARGEST, Object};

/// Reads values from a text.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    is_canonical: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, is_canonical: true }
    }

    /// The one value of which the text consists.
    pub(super) fn document(mut self) -> Result<Document<'a>, JsonError> {
        let value = self.value(0)?;
        self.space();
        if self.at < self.text.len() {
            return Err(JsonError::Syntax(self.at));
        }
        Ok(Document { value, is_canonical: self.is_canonical })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn wrong<T>(&self) -> Result<T, JsonError> {
        Err(JsonError::Syntax(self.at))
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return self.wrong();
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth + 1).map(Json::Object),
            Some(b'[') => self.array(depth + 1).map(Json::Array),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.word("null", Json::Null),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            _ => self.wrong(),
        }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, JsonError> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return self.wrong();
        }
        self.at += word.len();
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Json<'a>>, JsonError> {
        if depth > DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(items);
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(items);
                }
                _ => return self.wrong(),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Object<'a>, JsonError> {
        if depth > DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.at += 1;
        let mut entries: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Object(entries));
        }
        let mut in_order = true;
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.expect(b':')?;
            let value = self.value(depth)?;
            in_order = in_order && entries.last().is_none_or(|(before, _)| *before < key);
            entries.push((key, value));
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return self.wrong(),
            }
        }
        self.at += 1;
        if !in_order {
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            entries.dedup_by(|later, earlier| {
                let twice = later.0 == earlier.0;
                if twice {
                    std::mem::swap(later, earlier);
                }
                twice
            });
        }
        Ok(Object(entries))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.expect(b'"')?;
        let mut owned = String::new();
        loop {
            let begin = self.at;
            let rest = &self.text.as_bytes()[begin..];
            let Some(length) = rest.iter().position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\') else {
                return self.wrong();
            };
            self.at += length;
            let part = &self.text[begin..self.at];
            match rest[length] {
                b'"' if owned.is_empty() => {
                    self.at += 1;
                    return Ok(Cow::Borrowed(part));
                }
                b'"' => {
                    owned.push_str(part);
                    self.at += 1;
                    return Ok(Cow::Owned(owned));
                }
                b'\\' => {
                    owned.push_str(part);
                    self.at += 1;
                    owned.push(self.escape()?);
                }
                _ => return self.wrong(),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let letter = match self.peek() {
            Some(letter @ (b'"' | b'\\' | b'/')) => char::from(letter),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.code();
            }
            _ => return self.wrong(),
        };
        self.at += 1;
        Ok(letter)
    }

    fn code(&mut self) -> Result<char, JsonError> {
        let high = self.unit()?;
        let code = if (0xd800..0xdc00).contains(&high) {
            self.expect(b'\\')?;
            self.expect(b'u')?;
            let low = self.unit()?;
            if !(0xdc00..0xe000).contains(&low) {
                return self.wrong();
            }
            0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)
        } else {
            high
        };
        // Half of a pair has no form in UTF-8, so nobody can have signed it.
        char::from_u32(code).ok_or(JsonError::Syntax(self.at))
    }

    fn unit(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).ok_or(JsonError::Syntax(self.at))?;
        let mut unit = 0;
        for digit in digits {
            unit = unit * 16 + char::from(*digit).to_digit(16).ok_or(JsonError::Syntax(self.at))?;
        }
        self.at += 4;
        Ok(unit)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let begin = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if begin == self.at { self.wrong() } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Json<'a>, JsonError> {
        let begin = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let mut is_integer = true;
        if self.peek() == Some(b'.') {
            is_integer = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = &self.text[begin..self.at];
        if is_integer {
            let Ok(number) = text.parse::<i64>() else {
                self.is_canonical = false;
                return Ok(Json::Number(Cow::Borrowed(text)));
            };
            self.is_canonical = self.is_canonical && (-LARGEST..=LARGEST).contains(&number);
            return Ok(Json::Integer(number));
        }
        self.is_canonical = false;
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Json::Number(Cow::Owned(float(number)))),
            _ => Err(JsonError::Syntax(begin)),
        }
    }
}

/// A number as Python writes it, which is what is signed in room versions 1 to 5.
fn float(number: f64) -> String {
    let shortest = format!("{number:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        return format!("{number:?}");
    }
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}
