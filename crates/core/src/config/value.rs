//! The types of values, each with how it is read and shown.

use toml_edit::Value;

/// A value that a key can have.
pub trait Setting: Sized {
    /// Reads it from TOML; an error says what was expected.
    fn read(value: &Value) -> Result<Self, String>;
    /// Reads it from text, as the environment has it.
    fn read_text(text: &str) -> Result<Self, String>;
    /// Shows it as TOML.
    fn show(&self) -> String;
}

fn found(value: &Value) -> String {
    format!("found {} {}", value.type_name(), value.to_string().trim())
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

impl Setting for String {
    fn read(value: &Value) -> Result<Self, String> {
        value.as_str().map(str::to_owned).ok_or_else(|| format!("expected text in quotes, {}", found(value)))
    }

    fn read_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        quoted(self)
    }
}

impl Setting for bool {
    fn read(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| format!("expected true or false, {}", found(value)))
    }

    fn read_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("expected true or false, found `{text}`"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for u32 {
    fn read(value: &Value) -> Result<Self, String> {
        let number = value.as_integer().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| format!("expected a number from 0 to {}, {}", Self::MAX, found(value)))
    }

    fn read_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("expected a number from 0 to {}, found `{text}`", Self::MAX))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for Vec<String> {
    fn read(value: &Value) -> Result<Self, String> {
        let expected = || format!("expected a list of texts such as [\"a\", \"b\"], {}", found(value));
        let items = value.as_array().ok_or_else(expected)?;
        items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(expected)).collect()
    }

    fn read_text(text: &str) -> Result<Self, String> {
        Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    fn show(&self) -> String {
        let items: Vec<String> = self.iter().map(|item| quoted(item)).collect();
        format!("[{}]", items.join(", "))
    }
}

/// A number of bytes, written as `50M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

const SIZES: [(&str, u64); 3] = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];

impl Setting for ByteSize {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Integer(number) => {
                u64::try_from(*number.value()).map(Self).map_err(|_| "a size cannot be negative".to_owned())
            }
            Value::String(text) => Self::read_text(text.value()),
            other => Err(format!("expected a size such as \"50M\", {}", found(other))),
        }
    }

    fn read_text(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a size such as \"50M\", found `{text}`");
        let (number, factor) = SIZES
            .iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, *factor)))
            .unwrap_or((text, 1));
        let number: u64 = number.trim().parse().map_err(|_| expected())?;
        number.checked_mul(factor).map(Self).ok_or_else(expected)
    }

    fn show(&self) -> String {
        let unit = SIZES.iter().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        unit.map_or_else(|| self.0.to_string(), |(unit, factor)| format!("\"{}{unit}\"", self.0 / factor))
    }
}

/// A time, written as `7d`, `12h`, `5m` or `30s`, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub i64);

const TIMES: [(&str, i64); 5] = [("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

impl Setting for Duration {
    fn read(value: &Value) -> Result<Self, String> {
        let text =
            value.as_str().ok_or_else(|| format!("expected a time such as \"7d\" or \"30s\", {}", found(value)))?;
        Self::read_text(text)
    }

    fn read_text(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a time such as \"7d\", \"12h\", \"5m\" or \"30s\", found `{text}`");
        let (number, factor) = TIMES
            .iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, *factor)))
            .ok_or_else(expected)?;
        let number: i64 = number.trim().parse().map_err(|_| expected())?;
        if number < 0 {
            return Err(expected());
        }
        number.checked_mul(factor).map(Self).ok_or_else(expected)
    }

    fn show(&self) -> String {
        let unit = TIMES[1..].iter().find(|(_, factor)| self.0 >= *factor && self.0 % factor == 0);
        unit.map_or_else(|| format!("\"{}ms\"", self.0), |(unit, factor)| format!("\"{}{unit}\"", self.0 / factor))
    }
}

/// Permissions of a file, written as `0660`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Setting for Mode {
    fn read(value: &Value) -> Result<Self, String> {
        // A number would be read as a decimal one.
        let text = value.as_str().ok_or_else(|| format!("expected permissions such as \"0660\", {}", found(value)))?;
        Self::read_text(text)
    }

    fn read_text(text: &str) -> Result<Self, String> {
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| text.len() >= 3 && *mode <= 0o777);
        mode.map(Self).ok_or_else(|| format!("expected permissions such as \"0660\", found `{text}`"))
    }

    fn show(&self) -> String {
        format!("\"{:04o}\"", self.0)
    }
}

/// How often something may happen: `10/s burst 50`, `3/m`, `5/h` or `off`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Any number of times.
    Off,
    /// So many times a second on average, and so many at once.
    Limited {
        /// Times a second.
        per_second: f64,
        /// Times at once.
        burst: u32,
    },
}

impl Setting for Rate {
    fn read(value: &Value) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| {
            format!("expected a rate such as \"10/s burst 50\", \"5/m\" or \"off\", {}", found(value))
        })?;
        Self::read_text(text)
    }

    fn read_text(text: &str) -> Result<Self, String> {
        let read = || {
            if text.trim() == "off" {
                return Some(Self::Off);
            }
            let (rate, burst) = match text.split_once("burst") {
                Some((rate, burst)) => (rate, Some(burst.trim().parse::<u32>().ok()?)),
                None => (text, None),
            };
            let (number, unit) = rate.trim().split_once('/')?;
            let number: f64 = number.trim().parse().ok()?;
            let seconds = match unit.trim() {
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                _ => return None,
            };
            let burst = burst.unwrap_or_else(|| whole(number)).max(1);
            (number > 0.0).then_some(Self::Limited { per_second: number / seconds, burst })
        };
        read().ok_or_else(|| format!("expected a rate such as \"10/s burst 50\", \"5/m\" or \"off\", found `{text}`"))
    }

    fn show(&self) -> String {
        match self {
            Self::Off => "\"off\"".to_owned(),
            Self::Limited { per_second, burst } if *per_second >= 1.0 => format!("\"{per_second}/s burst {burst}\""),
            Self::Limited { per_second, burst } => {
                let per_minute = (per_second * 60.0 * 1_000.0).round() / 1_000.0;
                format!("\"{per_minute}/m burst {burst}\"")
            }
        }
    }
}

/// The next whole number, within what a burst can be.
fn whole(number: f64) -> u32 {
    let clamped = number.ceil().clamp(1.0, 1e9);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 1 to 10^9")]
    let whole = clamped as u32;
    whole
}

/// A value that is one of a few words.
macro_rules! choice {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $variant_doc:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[doc = $variant_doc])+ $variant,)+
        }

        impl $crate::config::Setting for $name {
            fn read(value: &toml_edit::Value) -> Result<Self, String> {
                match value.as_str() {
                    Some(text) => $crate::config::Setting::read_text(text),
                    None => Err(format!("expected one of {:?}, found {}", [$($word),+], value.type_name())),
                }
            }

            fn read_text(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    other => Err(format!("expected one of {:?}, found `{other}`", [$($word),+])),
                }
            }

            fn show(&self) -> String {
                match self {
                    $(Self::$variant => format!("{:?}", $word),)+
                }
            }
        }
    };
}

pub(super) use choice;
