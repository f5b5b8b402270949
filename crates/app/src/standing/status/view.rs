//! What the status page shows: only what anybody may know. Values, without a database.

use std::collections::BTreeMap;

use super::words::Language;
use crate::standing::demands::Counts;

/// What the page shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// The deployment's name.
    pub(crate) service: String,
    /// Who runs it.
    pub(crate) operator: Option<String>,
    /// As of when, in milliseconds since the epoch; 0 if nothing could be read yet.
    pub(crate) made_ts: i64,
    /// Public incidents, the newest first.
    pub(crate) incidents: Vec<ShownIncident>,
    /// Roles and addresses.
    pub(crate) contacts: Vec<(String, String)>,
    /// Registrations: code, status, register and number.
    pub(crate) registrations: Vec<(String, String, Option<String>)>,
    /// Demands by year and jurisdiction.
    pub(crate) counts: Counts,
    /// Names of jurisdictions that the page has no words of its own for.
    pub(crate) names: BTreeMap<String, String>,
}

/// A public incident. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownIncident {
    pub(crate) number: i64,
    pub(crate) kind: String,
    pub(crate) code: Option<String>,
    pub(crate) state: String,
    pub(crate) began_ts: i64,
    pub(crate) resolved_ts: Option<i64>,
    /// The newest first.
    pub(crate) updates: Vec<ShownUpdate>,
}

/// A public update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownUpdate {
    pub(crate) number: i64,
    pub(crate) at_ts: i64,
    pub(crate) state: String,
    /// By language.
    pub(crate) words: BTreeMap<String, String>,
}

impl View {
    /// The name of a jurisdiction.
    pub(crate) fn place<'v>(&'v self, language: Language, code: &'v str) -> &'v str {
        language.words().place(code).or_else(|| self.names.get(code).map(String::as_str)).unwrap_or(code)
    }

    /// The same where it stands alone.
    pub(crate) fn place_name<'v>(&'v self, language: Language, code: &'v str) -> &'v str {
        self.place(language, code).trim_start_matches("the ")
    }

    /// What happened, as a title.
    pub(crate) fn title(&self, language: Language, incident: &ShownIncident) -> String {
        let place = incident.code.as_deref().map(|code| self.place(language, code));
        language.words().happened(&incident.kind, place)
    }
}

impl ShownUpdate {
    /// What it says in a language, else in English, else in whatever it was written in; and in which.
    pub(crate) fn text(&self, language: Language) -> Option<(&str, &str)> {
        let in_code = |code: &str| self.words.get_key_value(code);
        let found = in_code(language.code()).or_else(|| in_code("en")).or_else(|| self.words.iter().next());
        found.map(|(code, text)| (code.as_str(), text.as_str()))
    }
}
