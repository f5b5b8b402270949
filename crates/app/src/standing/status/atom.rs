//! The feed of incidents (RFC 4287): an entry for each public update, the newest first.

use domicile_core::calendar::rfc3339;
use maud::{PreEscaped, html};

use super::{page::SHOWN, view::View, words::Language};

/// The feed in a language. `page` is the address of the page, if it is known.
pub(super) fn feed(view: &View, language: Language, page: Option<&str>) -> String {
    let words = language.words();
    let mut entries: Vec<_> = view
        .incidents
        .iter()
        .flat_map(|incident| incident.updates.iter().map(move |update| (incident, update)))
        .collect();
    entries.sort_by_key(|(_, update)| std::cmp::Reverse((update.at_ts, update.number)));
    entries.truncate(SHOWN);
    let updated = entries.iter().map(|(_, update)| update.at_ts).max().unwrap_or(view.made_ts);
    // The name and the day of an id (RFC 4151) never change, whatever else does.
    let id = |what: &str| format!("tag:{},2026:status{what}", view.service.split(':').next().unwrap_or_default());
    let markup = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"))
        feed xmlns="http://www.w3.org/2005/Atom" xml:lang=(language.code()) {
            id { (id(&format!("/{}", language.code()))) }
            title { (view.service) " · " (words.title) }
            updated { (rfc3339(updated)) }
            author { name { (view.operator.as_deref().unwrap_or(&view.service)) } }
            @if let Some(page) = page { (PreEscaped("<link rel=\"alternate\" href=\"")) (page) (PreEscaped("\"/>")) }
            @for (incident, update) in entries {
                entry {
                    id { (id(&format!("/{}/{}/{}", language.code(), incident.number, update.number))) }
                    title { (view.title(language, incident)) (language.colon()) (words.incident_state(&update.state)) }
                    updated { (rfc3339(update.at_ts)) }
                    @if let Some(page) = page {
                        (PreEscaped("<link rel=\"alternate\" href=\"")) (page) "#incident-" (incident.number) (PreEscaped("\"/>"))
                    }
                    content type="text" { (update.text(language).map_or(words.incident_state(&update.state), |(_, text)| text)) }
                }
            }
        }
    };
    markup.into_string()
}
