//! `domicile config`: check, default, show.

use clap::Subcommand;
use domicile_core::config::{Config, Problem, Problems, ProxyKeys, Source};
use serde_json::{Map, Value, json};

use super::say;
use crate::wire::proxy;

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
    /// Print every key as it is now and where it comes from, secrets hidden.
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
        ConfigCommand::Show { json } => show(source, *json),
    }
}

fn check(source: Option<&Source>, json: bool) -> anyhow::Result<()> {
    let read = Config::read(source, std::env::vars()).and_then(|config| {
        let mut problems = Problems::default();
        for problem in config.unlisted_processors() {
            problems.push(problem);
        }
        for keys in config.proxies().into_iter().filter(ProxyKeys::is_set) {
            if let Err(error) = proxy::password(keys) {
                problems.push(Problem::about(&keys.key("proxy_password_file"), format!("{error:#}")));
            }
        }
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    });
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

fn show(source: Option<&Source>, json: bool) -> anyhow::Result<()> {
    let (config, origins) = Config::read_with_origins(source, std::env::vars())
        .map_err(|problems| anyhow::anyhow!("the configuration is wrong:\n{problems}"))?;
    if json {
        let mut sections: Map<String, Value> = Map::new();
        for (section, key, value) in config.shown() {
            let from = origins.of(&section, &key);
            let entry = sections.entry(section.clone()).or_insert_with(|| json!({}));
            entry[key.as_str()] = json!({ "value": value.trim_matches('"'), "from": from });
        }
        return say(&Value::Object(sections).to_string());
    }
    let mut current = String::new();
    for (section, key, value) in config.shown() {
        if section != current {
            say(&format!("{}[{section}]", if current.is_empty() { "" } else { "\n" }))?;
            current.clone_from(&section);
        }
        let line = format!("{key} = {value}");
        say(&format!("{line:<60} # {}", origins.of(&section, &key)))?;
    }
    Ok(())
}
