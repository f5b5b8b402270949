//! The words of the status page and of notices, in each of its languages.

use std::collections::BTreeMap;

/// A language of the status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// English.
    En,
    /// German.
    De,
    /// Russian.
    Ru,
    /// Chinese, in simplified letters.
    Zh,
}

/// All that the page says in a language.
pub(crate) struct Words {
    /// The language's own name.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) all_well: &'static str,
    pub(crate) not_well: &'static str,
    pub(crate) current: &'static str,
    pub(crate) past: &'static str,
    pub(crate) no_past: &'static str,
    pub(crate) since: &'static str,
    pub(crate) until: &'static str,
    pub(crate) contacts: &'static str,
    pub(crate) no_contacts: &'static str,
    pub(crate) registrations: &'static str,
    pub(crate) register: &'static str,
    pub(crate) state: &'static str,
    pub(crate) demands: &'static str,
    pub(crate) demands_about: &'static str,
    pub(crate) no_jurisdiction: &'static str,
    pub(crate) year: &'static str,
    pub(crate) jurisdiction: &'static str,
    pub(crate) received: &'static str,
    pub(crate) open: &'static str,
    pub(crate) nothing_given: &'static str,
    pub(crate) given: &'static str,
    pub(crate) bytes: &'static str,
    pub(crate) as_of: &'static str,
    pub(crate) languages: &'static str,
    pub(crate) run_by: &'static str,
    pub(crate) feed: &'static str,
    pub(crate) skip: &'static str,
    pub(crate) times: &'static str,
    /// What happened, with `{}` for where; without a place, what stands in the second text.
    pub(super) unreachable: (&'static str, &'static str),
    pub(super) throttled: (&'static str, &'static str),
    pub(super) listed: (&'static str, &'static str),
    /// Other cells are not reached; which is nobody's matter.
    pub(super) link: (&'static str, &'static str),
    pub(super) outage: (&'static str, &'static str),
    pub(super) maintenance: (&'static str, &'static str),
    pub(super) other: (&'static str, &'static str),
    pub(super) first_sign: &'static str,
    pub(super) confirmed: &'static str,
    pub(super) watching: &'static str,
    pub(super) resolved: &'static str,
    /// What people are told when an incident has ended by itself.
    pub(super) over: &'static str,
    /// What stands before alternative addresses.
    pub(crate) elsewhere: &'static str,
    pub(super) roles: [&'static str; 8],
    pub(super) statuses: [&'static str; 7],
    pub(super) places: [&'static str; 8],
}

/// Codes of `Words::places`, in their order.
const PLACES: [&str; 8] = ["CN", "EU", "ID", "IN", "KZ", "RU", "TR", "VN"];
/// Roles of `Words::roles`, in their order.
const ROLES: [&str; 8] =
    ["representative", "authority", "always_on", "grievance", "compliance", "data_protection", "security", "users"];
/// Statuses of `Words::statuses`, in their order.
const STATUSES: [&str; 7] = ["not_needed", "chosen_not_to", "draft", "filed", "registered", "refused", "lapsed"];

impl Language {
    /// All of them, in the order in which the page offers them.
    pub const ALL: [Self; 4] = [Self::En, Self::De, Self::Ru, Self::Zh];

    /// Its code (BCP 47).
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Ru => "ru",
            Self::Zh => "zh",
        }
    }

    /// What its speakers call it.
    pub fn own_name(self) -> &'static str {
        self.words().name
    }

    /// The language of a code such as `de` or `de-AT`.
    pub fn from_code(code: &str) -> Option<Self> {
        let main = code.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(main))
    }

    /// The best for an `Accept-Language` header (RFC 9110); English if nothing fits.
    pub fn accepted(header: &str) -> Self {
        let mut best = (0.0, Self::En);
        for entry in header.split(',').take(32) {
            let mut parts = entry.split(';');
            let Some(language) = parts.next().and_then(|code| Self::from_code(code.trim())) else { continue };
            let quality = parts.find_map(|part| part.trim().strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            if quality > best.0 {
                best = (quality, language);
            }
        }
        best.1
    }

    /// What most people of a country read, as far as the page has it.
    pub fn of_country(code: &str) -> Self {
        match code {
            "DE" | "AT" | "CH" | "LI" => Self::De,
            "RU" | "KZ" | "BY" | "KG" => Self::Ru,
            "CN" | "SG" | "TW" | "HK" => Self::Zh,
            _ => Self::En,
        }
    }

    /// What ends a sentence.
    pub fn stop(self) -> &'static str {
        if self == Self::Zh { "。" } else { "." }
    }

    /// What stands between two parts of a sentence, with the space after it that belongs there.
    pub fn comma(self) -> &'static str {
        if self == Self::Zh { "，" } else { ", " }
    }

    /// What announces something, with the space after it that belongs there.
    pub fn colon(self) -> &'static str {
        if self == Self::Zh { "：" } else { ": " }
    }

    /// What stands between two sentences.
    pub fn gap(self) -> &'static str {
        if self == Self::Zh { "" } else { " " }
    }

    /// What stands between `said` and what follows it: the wide marks of Chinese have their space in them.
    pub fn after(said: &str) -> &'static str {
        if said.ends_with(['：', '，', '；', '。', '、']) { "" } else { " " }
    }

    /// Several things as a sentence lists them.
    pub fn listed<S: AsRef<str>>(self, things: &[S]) -> String {
        let things: Vec<&str> = things.iter().map(AsRef::as_ref).collect();
        things.join(if self == Self::Zh { "、" } else { ", " })
    }

    /// A text in brackets, with the space before it that belongs there.
    pub fn bracketed(self, text: &str) -> String {
        if self == Self::Zh { format!("（{text}）") } else { format!(" ({text})") }
    }

    /// Its words.
    pub(crate) fn words(self) -> &'static Words {
        match self {
            Self::En => &EN,
            Self::De => &super::words_de::DE,
            Self::Ru => &super::words_ru::RU,
            Self::Zh => &super::words_zh::ZH,
        }
    }
}

/// That an incident has ended by itself, in every language.
pub(crate) fn over_in_all_languages() -> BTreeMap<String, String> {
    Language::ALL.into_iter().map(|language| (language.code().to_owned(), language.words().over.to_owned())).collect()
}

impl Words {
    /// What happened, and where.
    pub(crate) fn happened(&self, kind: &str, place: Option<&str>) -> String {
        let (somewhere, everywhere) = match kind {
            "unreachable" => self.unreachable,
            "throttled" => self.throttled,
            "listed" => self.listed,
            "link" => self.link,
            "outage" => self.outage,
            "maintenance" => self.maintenance,
            _ => self.other,
        };
        place.map_or_else(|| everywhere.to_owned(), |place| somewhere.replace("{}", place))
    }

    /// Where an incident stands.
    pub(crate) fn incident_state(&self, state: &str) -> &'static str {
        match state {
            "first_sign" => self.first_sign,
            "confirmed" => self.confirmed,
            "watching" => self.watching,
            _ => self.resolved,
        }
    }

    /// The name of a jurisdiction, if it is one of those that come with the program.
    pub(crate) fn place(&self, code: &str) -> Option<&'static str> {
        find(&PLACES, &self.places, code)
    }

    /// What somebody is there for.
    pub(crate) fn role(&self, role: &str) -> Option<&'static str> {
        find(&ROLES, &self.roles, role)
    }

    /// Where a registration stands.
    pub(crate) fn status(&self, status: &str) -> Option<&'static str> {
        find(&STATUSES, &self.statuses, status)
    }
}

fn find<const N: usize>(keys: &[&str; N], values: &[&'static str; N], key: &str) -> Option<&'static str> {
    keys.iter().position(|known| *known == key).map(|at| values[at])
}

static EN: Words = Words {
    name: "English",
    title: "Status",
    all_well: "Everything works",
    not_well: "Something is wrong",
    current: "Now",
    past: "Past incidents",
    no_past: "There were none.",
    since: "since",
    until: "to",
    contacts: "Whom to ask",
    no_contacts: "Nobody is named.",
    registrations: "Registrations with authorities",
    register: "Register",
    state: "State",
    demands: "Demands of authorities",
    demands_about: "What authorities demanded of us, by the year in which it came, and what they were given. A zero means: none.",
    no_jurisdiction: "No jurisdiction is noted for anybody here, and no authority has demanded anything.",
    year: "Year",
    jurisdiction: "Jurisdiction",
    received: "came",
    open: "open",
    nothing_given: "nothing given",
    given: "something given",
    bytes: "bytes",
    as_of: "As of",
    languages: "Languages",
    run_by: "Run by",
    feed: "Feed (Atom)",
    skip: "To the content",
    times: "All times are UTC.",
    unreachable: ("The service cannot be reached in {}", "The service cannot be reached"),
    throttled: ("The service is slow in {}", "The service is slow"),
    listed: ("The service is on a list of blocked services in {}", "The service is on a list of blocked services"),
    link: ("The connection with {} is cut", "Parts of the service do not reach each other"),
    outage: ("Outage in {}", "Outage"),
    maintenance: ("Maintenance in {}", "Maintenance"),
    other: ("Incident in {}", "Incident"),
    first_sign: "Suspected",
    confirmed: "Confirmed",
    watching: "Being watched",
    resolved: "Resolved",
    over: "As far as we can see, it is over.",
    elsewhere: "If the usual address does not work, use one of these:",
    roles: [
        "Representative",
        "For authorities",
        "At any hour",
        "Complaints",
        "Compliance",
        "Data protection",
        "Security",
        "Help",
    ],
    statuses: ["not needed", "we chose not to register", "being prepared", "filed", "registered", "refused", "lapsed"],
    places: ["China", "the European Union", "Indonesia", "India", "Kazakhstan", "Russia", "Turkey", "Vietnam"],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_a_browser_likes_best() {
        assert_eq!(Language::accepted("de-AT,de;q=0.9,en;q=0.8"), Language::De);
        assert_eq!(Language::accepted("fr,ru;q=0.3,en;q=0.2"), Language::Ru);
        assert_eq!(Language::accepted("zh-Hans-CN"), Language::Zh);
        assert_eq!(Language::accepted("fr, *;q=0.1"), Language::En);
        assert_eq!(Language::accepted(""), Language::En);
        assert_eq!(Language::accepted("de;q=x"), Language::De);
        assert_eq!(Language::accepted("de;q=0, en;q=0.1"), Language::En);
        assert_eq!(Language::accepted("de;q=NaN"), Language::En);
    }

    #[test]
    fn every_language_says_everything() {
        for language in Language::ALL {
            let words = language.words();
            for kind in ["unreachable", "throttled", "listed", "link", "outage", "maintenance", "other"] {
                assert!(words.happened(kind, Some("X")).contains('X'), "{kind} in {}", words.name);
                assert!(!words.happened(kind, None).contains("{}"));
            }
            for place in PLACES {
                assert!(words.place(place).is_some_and(|name| !name.is_empty()));
            }
            assert!(!words.over.is_empty() && words.elsewhere.ends_with([':', '：']));
            assert!(words.role("security").is_some() && words.status("filed").is_some());
            assert_eq!(words.place("XX"), None);
        }
    }
}
