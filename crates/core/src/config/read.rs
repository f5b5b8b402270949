//! Reading: a file, then the environment, everything that is wrong at once.

use std::collections::BTreeMap;

use toml_edit::{Document, Item, Value};

use super::{Config, Problem, Problems, Section, problem::meant};

/// A configuration file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name, for messages.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// Where values come from: by section (`listeners.0` for the first listener) and key. What is not here is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<(String, String), String>);

impl Origins {
    /// `default`, `domicile.toml:3` or `environment variable DOMICILE_SERVER__NAME`.
    pub fn of(&self, section: &str, key: &str) -> &str {
        self.0.get(&(section.to_owned(), key.to_owned())).map_or("default", String::as_str)
    }

    fn note(&mut self, section: &str, key: &str, origin: String) {
        self.0.insert((section.to_owned(), key.to_owned()), origin);
    }
}

/// What is read into while it is read.
#[derive(Default)]
struct Reading {
    problems: Problems,
    origins: Origins,
}

/// The prefix of environment variables that set keys.
const PREFIX: &str = "DOMICILE_";

impl Config {
    /// The configuration of a file, if there is one, and of environment variables, the latter winning.
    pub fn read(
        file: Option<&Source>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        Self::read_with_origins(file, environment).map(|(config, _)| config)
    }

    /// The same, with where each value comes from.
    pub fn read_with_origins(
        file: Option<&Source>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Self, Origins), Problems> {
        let mut config = Self::default();
        let mut reading = Reading::default();
        if let Some(file) = file {
            config.read_file(file, &mut reading);
        }
        for (name, value) in environment {
            if let Some(path) = name.strip_prefix(PREFIX).filter(|path| path.contains("__")) {
                config.read_variable(&name, path, &value, &mut reading);
            }
        }
        let Reading { mut problems, origins } = reading;
        config.check(&mut problems);
        if problems.is_empty() { Ok((config, origins)) } else { Err(problems) }
    }

    fn read_file(&mut self, file: &Source, reading: &mut Reading) {
        let document = match Document::parse(file.text.as_str()) {
            Ok(document) => document,
            Err(error) => {
                let at = place(file, error.span());
                reading
                    .problems
                    .push(Problem { place: at, what: format!("this is not TOML: {}", error.message().trim()) });
                return;
            }
        };
        for (name, item) in document.iter() {
            let key_span = document.key(name).and_then(toml_edit::Key::span);
            match name {
                "listeners" => {
                    read_tables(file, name, item, &mut self.listeners, reading);
                    continue;
                }
                "blocklists" => {
                    read_tables(file, name, item, &mut self.blocklists, reading);
                    continue;
                }
                _ => {}
            }
            let Some(table) = item.as_table_like() else {
                let what = format!("`{name}` must stand in a section; is a [section] line missing above it?");
                reading.problems.push(Problem { place: place(file, key_span), what });
                continue;
            };
            let names: Vec<&'static str> = self.sections().iter().map(|section| section.name()).collect();
            let Some(section) = self.section_mut(name) else {
                let hint = match meant(name, names.iter().copied().chain(["listeners", "blocklists"])) {
                    Some(known) => format!("did you mean [{known}]?"),
                    None => format!("the sections are {}, listeners and blocklists", names.join(", ")),
                };
                let what = format!("there is no section [{name}]: {hint}");
                reading.problems.push(Problem { place: place(file, key_span.or(item.span())), what });
                continue;
            };
            read_section(file, section, name, table, reading);
        }
    }

    fn read_variable(&mut self, variable: &str, path: &str, value: &str, reading: &mut Reading) {
        let path = path.to_ascii_lowercase();
        let parts: Vec<&str> = path.split("__").collect();
        let (section, name, key): (Option<&mut dyn Section>, &str, &str) = match parts.as_slice() {
            ["listeners", index, key] => (table_mut(&mut self.listeners, index), "listeners", key),
            ["blocklists", index, key] => (table_mut(&mut self.blocklists, index), "blocklists", key),
            [name, key] => (self.section_mut(name), name, key),
            _ => (None, "", ""),
        };
        let place = format!("environment variable {variable}");
        let Some(section) = section else {
            let what = "there is no such section; variables are called DOMICILE_SECTION__KEY".to_owned();
            reading.problems.push(Problem { place, what });
            return;
        };
        match section.set_text(key, value) {
            Some(Ok(())) => {
                let section = parts.iter().take(parts.len() - 1).copied().collect::<Vec<_>>().join(".");
                reading.origins.note(&section, key, place);
            }
            Some(Err(expected)) => reading.problems.push(Problem { place, what: format!("{name}.{key}: {expected}") }),
            None => reading.problems.push(Problem { place, what: unknown(section, name, key) }),
        }
    }
}

/// A section that may be there several times, written with two brackets.
fn read_tables<S: Section + Default>(file: &Source, name: &str, item: &Item, into: &mut Vec<S>, reading: &mut Reading) {
    let Some(tables) = item.as_array_of_tables() else {
        let what = format!("{name} are written as [[{name}]], with two brackets, once for each");
        reading.problems.push(Problem { place: place(file, item.span()), what });
        return;
    };
    into.clear();
    for (index, table) in tables.iter().enumerate() {
        let mut section = S::default();
        read_section(file, &mut section, &format!("{name}.{index}"), table, reading);
        into.push(section);
    }
}

/// The section of a number that a variable names; the next one is made.
fn table_mut<'a, S: Section + Default>(all: &'a mut Vec<S>, index: &str) -> Option<&'a mut dyn Section> {
    let index: usize = index.parse().ok()?;
    if index == all.len() {
        all.push(S::default());
    }
    all.get_mut(index).map(|section| section as &mut dyn Section)
}

fn read_section(
    file: &Source,
    section: &mut dyn Section,
    name: &str,
    table: &dyn toml_edit::TableLike,
    reading: &mut Reading,
) {
    for (key, item) in table.iter() {
        let key_span = table.key(key).and_then(toml_edit::Key::span);
        let Some(value) = item.as_value() else {
            let what = format!("`{name}.{key}` must be a value, not a section");
            reading.problems.push(Problem { place: place(file, key_span), what });
            continue;
        };
        match section.set(key, value) {
            Some(Ok(())) => reading.origins.note(name, key, line(file, key_span.or(Value::span(value)))),
            Some(Err(expected)) => {
                let at = Value::span(value).or(key_span);
                reading.problems.push(Problem { place: place(file, at), what: format!("{name}.{key}: {expected}") });
            }
            None => reading.problems.push(Problem { place: place(file, key_span), what: unknown(section, name, key) }),
        }
    }
}

fn unknown(section: &dyn Section, name: &str, key: &str) -> String {
    let keys: Vec<&'static str> = section.keys().iter().map(|key| key.name).collect();
    let hint = match meant(key, keys.iter().copied()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("its keys are {}", keys.join(", ")),
    };
    format!("[{name}] has no key `{key}`: {hint}")
}

/// `file:line`, counted from 1.
fn line(file: &Source, span: Option<std::ops::Range<usize>>) -> String {
    let place = place(file, span);
    place.rsplit_once(':').map_or(place.clone(), |(line, _)| line.to_owned())
}

/// `file:line:column`, counted from 1.
fn place(file: &Source, span: Option<std::ops::Range<usize>>) -> String {
    let Some(before) = span.and_then(|span| file.text.get(..span.start)) else { return file.name.clone() };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{}:{line}:{column}", file.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, Problems> {
        let file = Source { name: "domicile.toml".to_owned(), text: text.to_owned() };
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::read(Some(&file), environment)
    }

    #[test]
    fn the_default_file_says_what_is_the_default() {
        let text = Config::default_file();
        assert_eq!(read(&text, &[]).unwrap(), Config::default());
        // Also with every key taken out of its comment.
        let live: String = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.starts_with("[[") => rest,
                Some(rest)
                    if rest
                        .split_once(" = ")
                        .is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')) =>
                {
                    rest
                }
                _ => line,
            })
            .fold(String::new(), |all, line| all + line + "\n");
        assert!(live.contains("\nname = \"localhost\""));
        assert_eq!(read(&live, &[]).map_err(|e| e.to_string()), Ok(Config::default()), "{live}");
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_with_its_place() {
        let text = "[server]\nnmae = \"x\"\n\n[rooms]\nencryption = \"sometimes\"\n[regstration]\nmode = \"open\"\n";
        let problems =
            read(text, &[("DOMICILE_MEDIA__MAX_UPLOAD", "lots"), ("DOMICILE_X__Y", "1"), ("DOMICILE_LOG", "x")]);
        let told = problems.unwrap_err().to_string();
        for expected in [
            "domicile.toml:2:1: [server] has no key `nmae`: did you mean `name`?",
            "domicile.toml:5:14: rooms.encryption: expected one of [\"off\", \"private\", \"all\"], found `sometimes`",
            "domicile.toml:6:2: there is no section [regstration]: did you mean [registration]?",
            "environment variable DOMICILE_MEDIA__MAX_UPLOAD: media.max_upload: expected a size such as \"50M\", found `lots`",
            "environment variable DOMICILE_X__Y: there is no such section",
        ] {
            assert!(told.contains(expected), "{expected}\n---\n{told}");
        }
        assert_eq!(told.lines().count(), 5);
    }

    #[test]
    fn the_environment_wins_and_open_registration_is_acknowledged() {
        let text = "[server]\nname = \"a.example\"\n[registration]\nmode = \"open\"\n";
        let told = read(text, &[]).unwrap_err().to_string();
        assert!(told.contains("open_to_everybody"), "{told}");
        let environment = [
            ("DOMICILE_SERVER__NAME", "b.example"),
            ("DOMICILE_REGISTRATION__OPEN_TO_EVERYBODY", "yes, I know that anybody can make accounts"),
            ("DOMICILE_LISTENERS__0__BIND", "127.0.0.1:9999"),
            ("DOMICILE_RATE_LIMITS__LOGIN_ADDRESS", "off"),
        ];
        let config = read(text, &environment).unwrap();
        assert_eq!(config.server.name, "b.example");
        assert_eq!(config.listeners[0].bind, "127.0.0.1:9999");
        assert_eq!(config.rate_limits.login_address, crate::config::Rate::Off);
    }

    #[test]
    fn the_operators_api_is_for_unix_sockets() {
        let listener = |bind: &str| format!("[[listeners]]\nbind = \"{bind}\"\nserve = [\"client\", \"admin\"]\n");
        let told = read(&listener("127.0.0.1:8008"), &[]).unwrap_err().to_string();
        assert!(told.starts_with("listeners.0: `admin` asks nobody for a password"), "{told}");
        assert!(read(&listener("unix:/run/domicile/admin.sock"), &[]).is_ok());
    }

    #[test]
    fn permissions_are_octal_text_and_for_unix_sockets() {
        let listener = |bind: &str, mode: &str| format!("[[listeners]]\nbind = \"{bind}\"\nmode = {mode}\n");
        let config = read(&listener("unix:/run/http.sock", "\"0660\""), &[]).unwrap();
        assert_eq!(config.listeners[0].mode, crate::config::Mode(0o660));
        for (bind, mode) in [
            ("unix:/run/http.sock", "660"),
            ("unix:/run/http.sock", "\"0o660\""),
            ("unix:/run/http.sock", "\"9\""),
            ("unix:/run/http.sock", "\"1777\""),
            ("127.0.0.1:8008", "\"0660\""),
        ] {
            let told = read(&listener(bind, mode), &[]).unwrap_err().to_string();
            assert!(told.contains("permissions"), "{bind} {mode}: {told}");
        }
    }

    #[test]
    fn every_value_says_where_it_comes_from() {
        let text = "[server]\nname = \"a.example\"\n\n[[listeners]]\nbind = \"127.0.0.1:1\"\n\n[[listeners]]\nbind = \"127.0.0.1:2\"\n";
        let file = Source { name: "domicile.toml".to_owned(), text: text.to_owned() };
        let environment = [("DOMICILE_LISTENERS__1__BIND", "127.0.0.1:3"), ("DOMICILE_SYNC__PRESENCE", "false")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (_, origins) = Config::read_with_origins(Some(&file), environment).unwrap();
        for (section, key, expected) in [
            ("server", "name", "domicile.toml:2"),
            ("server", "data_dir", "default"),
            ("listeners.0", "bind", "domicile.toml:5"),
            ("listeners.1", "bind", "environment variable DOMICILE_LISTENERS__1__BIND"),
            ("listeners.1", "serve", "default"),
            ("sync", "presence", "environment variable DOMICILE_SYNC__PRESENCE"),
        ] {
            assert_eq!(origins.of(section, key), expected, "{section}.{key}");
        }
    }
}
