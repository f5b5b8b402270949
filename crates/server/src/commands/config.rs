//! `domicile config`: check, default, show.

use clap::Subcommand;
use domicile_core::config::{Config, Source};
use serde_json::{Map, Value, json};

use super::say;

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Tell everything that is wrong.
    Check {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Print a configuration file that explains every key and its default.
    Default,
    /// Print every key as it is now, secrets hidden.
    Show {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &ConfigCommand, source: Option<&Source>) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Default => say(Config::default_file().trim_end()),
        ConfigCommand::Check { json } => check(source, *json),
        ConfigCommand::Show { json } => show(&super::read(source)?, *json),
    }
}

fn check(source: Option<&Source>, json: bool) -> anyhow::Result<()> {
    let read = Config::read(source, std::env::vars());
    if json {
        let problems = read.as_ref().err().map(|problems| {
            let told = problems.all().iter().map(|problem| json!({ "place": problem.place, "what": problem.what }));
            told.collect::<Vec<_>>()
        });
        say(&json!({ "ok": read.is_ok(), "problems": problems.unwrap_or_default() }).to_string())?;
    }
    match read {
        Ok(_) if json => Ok(()),
        Ok(_) => say(&format!("{}: nothing is wrong", source.map_or("the defaults", |source| source.name.as_str()))),
        Err(problems) => anyhow::bail!("the configuration is wrong:\n{problems}"),
    }
}

fn show(config: &Config, json: bool) -> anyhow::Result<()> {
    if json {
        let mut sections: Map<String, Value> = Map::new();
        for (section, key, value) in config.shown() {
            let entry = sections.entry(section).or_insert_with(|| json!({}));
            entry[key] = Value::from(value.trim_matches('"'));
        }
        return say(&Value::Object(sections).to_string());
    }
    let mut current = String::new();
    for (section, key, value) in config.shown() {
        if section != current {
            say(&format!("{}[{section}]", if current.is_empty() { "" } else { "\n" }))?;
            current = section;
        }
        say(&format!("{key} = {value}"))?;
    }
    Ok(())
}
