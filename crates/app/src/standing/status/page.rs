//! The status page in HTML: readable without JavaScript, in the dark, on a narrow screen and by a screen reader. Nothing is fetched from anywhere.

use domicile_core::{
    calendar::{minute, rfc3339},
    percent,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    style::STYLE,
    view::{ShownIncident, View},
    words::{Language, Words},
};
use crate::standing::demands::Count;

/// Incidents that are shown; older ones are in the operator's books.
pub(super) const SHOWN: usize = 50;

/// Where the other pages are: they have other addresses on the server than in a folder.
pub(super) struct Links {
    /// The page in a language.
    pub(super) page: fn(Language) -> String,
    /// The feed in a language.
    pub(super) feed: fn(Language) -> String,
}

/// The page in a language.
pub(super) fn page(view: &View, language: Language, links: &Links) -> String {
    let words = language.words();
    let now: Vec<&ShownIncident> = view.incidents.iter().filter(|incident| incident.resolved_ts.is_none()).collect();
    let past: Vec<&ShownIncident> =
        view.incidents.iter().filter(|incident| incident.resolved_ts.is_some()).take(SHOWN).collect();
    let page = html! {
        (DOCTYPE)
        html lang=(language.code()) {
            (head(view, language, links, now.is_empty()))
            body {
                a.skip href="#content" { (words.skip) }
                header {
                    div.top {
                        p.service { (view.service) }
                        (languages(language, links))
                    }
                    (verdict(view, language, &now))
                }
                main id="content" {
                    @if !now.is_empty() {
                        section { h2 { (words.current) } @for incident in &now { (incident_of(view, language, incident)) } }
                    }
                    section {
                        h2 { (words.past) }
                        @if past.is_empty() { p.soft { (words.no_past) } }
                        @for incident in &past { (incident_of(view, language, incident)) }
                    }
                    (contacts(view, words))
                    (registrations(view, language))
                    (demands(view, language))
                }
                (footer(view, language, links))
            }
        }
    };
    page.into_string()
}

fn head(view: &View, language: Language, links: &Links, is_well: bool) -> Markup {
    let words = language.words();
    let verdict = if is_well { words.all_well } else { words.not_well };
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (words.title) " · " (view.service) }
            meta name="description" content=(format!("{}{}{verdict}", view.service, language.colon()));
            @for other in Language::ALL { link rel="alternate" hreflang=(other.code()) href=((links.page)(other)); }
            link rel="alternate" type="application/atom+xml" title=(words.feed) href=((links.feed)(language));
            style { (PreEscaped(STYLE)) }
        }
    }
}

fn languages(language: Language, links: &Links) -> Markup {
    html! {
        nav aria-label=(language.words().languages) {
            ul.languages {
                @for other in Language::ALL {
                    li {
                        @if other == language {
                            span aria-current="true" lang=(other.code()) { (other.words().name) }
                        } @else {
                            a href=((links.page)(other)) hreflang=(other.code()) lang=(other.code()) { (other.words().name) }
                        }
                    }
                }
            }
        }
    }
}

/// One glance: does it work? Told by words and by a shape, not by colour alone.
fn verdict(view: &View, language: Language, now: &[&ShownIncident]) -> Markup {
    let words = language.words();
    let is_planned = now.iter().all(|incident| incident.kind == "maintenance");
    let (class, text) = match now {
        [] => ("well", words.all_well.to_owned()),
        _ if is_planned => ("planned", words.happened("maintenance", None)),
        // Who lives elsewhere is not to be alarmed by what they need not know.
        [incident] => ("unwell", view.title(language, incident)),
        _ => ("unwell", words.not_well.to_owned()),
    };
    html! {
        div.verdict.(class) {
            svg viewBox="0 0 24 24" width="28" height="28" aria-hidden="true" {
                @if now.is_empty() {
                    circle cx="12" cy="12" r="11" {}
                    path d="M6.8 12.4l3.5 3.5 7-7.4" {}
                } @else {
                    path.solid d="M12 1.8 23 21.5H1z" {}
                    path d="M12 9v5.4M12 17.4v.6" {}
                }
            }
            h1 { (text) }
        }
    }
}

fn incident_of(view: &View, language: Language, incident: &ShownIncident) -> Markup {
    let words = language.words();
    let class = if incident.resolved_ts.is_some() { "over" } else { "on" };
    html! {
        article.incident.(class) id=(format!("incident-{}", incident.number)) {
            h3 { (view.title(language, incident)) }
            p.when {
                span.state { (words.incident_state(&incident.state)) } " "
                span { (words.since) " " (time(incident.began_ts)) }
                @if let Some(at) = incident.resolved_ts { " " span { (words.until) " " (time(at)) } }
            }
            @if incident.updates.iter().any(|update| !update.words.is_empty()) {
                ol.updates {
                    @for update in &incident.updates {
                        @if let Some((code, text)) = update.text(language) {
                            li {
                                p.at { (time(update.at_ts)) " · " (words.incident_state(&update.state)) }
                                @for part in text.split("\n\n") { p lang=(code) { (part) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn time(at: i64) -> Markup {
    html! { time datetime=(rfc3339(at)) { (minute(at)) } }
}

fn contacts(view: &View, words: &Words) -> Markup {
    html! {
        section {
            h2 { (words.contacts) }
            @if view.contacts.is_empty() { p.soft { (words.no_contacts) } }
            @else {
                dl {
                    @for (role, address) in &view.contacts {
                        dt { (words.role(role).unwrap_or(role)) }
                        dd { (linked(address)) }
                    }
                }
            }
        }
    }
}

/// An address that can be followed. Only those of three kinds are links; nothing else ever is.
fn linked(address: &str) -> Markup {
    let href = match address {
        user if user.starts_with('@') => format!("https://matrix.to/#/{}", encoded(user)),
        page if page.starts_with("https://") => page.to_owned(),
        mail if mail.contains('@') => format!("mailto:{}", encoded(mail)),
        _ => return html! { (address) },
    };
    html! { a href=(href) rel="nofollow" { (address) } }
}

/// A text in which nothing has a meaning in an address but `@` and `:`.
fn encoded(text: &str) -> String {
    percent::encoded(text, b"-._~@:+")
}

fn registrations(view: &View, language: Language) -> Markup {
    let words = language.words();
    html! {
        @if !view.registrations.is_empty() {
            section {
                h2 { (words.registrations) }
                div.wide tabindex="0" { table {
                    thead { tr { th scope="col" { (words.jurisdiction) } th scope="col" { (words.state) } th scope="col" { (words.register) } } }
                    tbody {
                        @for (code, status, register) in &view.registrations {
                            tr {
                                th scope="row" { (view.place_name(language, code)) }
                                td { (words.status(status).unwrap_or(status)) }
                                td { (register.as_deref().unwrap_or("–")) }
                            }
                        }
                    }
                } }
            }
        }
    }
}

fn demands(view: &View, language: Language) -> Markup {
    let words = language.words();
    let is_empty = view.counts.years.values().all(std::collections::BTreeMap::is_empty);
    html! {
        section {
            h2 { (words.demands) }
            @if is_empty { p.soft { (words.no_jurisdiction) } }
            @else {
                p.soft { (words.demands_about) }
                div.wide tabindex="0" { table.numbers {
                    thead { tr {
                        th scope="col" { (words.year) } th scope="col" { (words.jurisdiction) }
                        @for name in [words.received, words.open, words.nothing_given, words.given, words.bytes] { th.number scope="col" { (name) } }
                    } }
                    @for (year, codes) in view.counts.years.iter().rev() {
                        tbody {
                            @for (index, (code, count)) in codes.iter().enumerate() {
                                tr {
                                    @if index == 0 { th scope="rowgroup" rowspan=(codes.len()) { (year) } }
                                    th scope="row" { (view.place_name(language, code)) }
                                    (numbers(count))
                                }
                            }
                        }
                    }
                } }
            }
        }
    }
}

fn numbers(count: &Count) -> Markup {
    let cells = [
        count.received.to_string(),
        count.open.to_string(),
        count.nothing_given.to_string(),
        count.given.to_string(),
        count.bytes.to_string(),
    ];
    html! { @for cell in cells { td.number.zero[cell == "0"] { (cell) } } }
}

fn footer(view: &View, language: Language, links: &Links) -> Markup {
    let words = language.words();
    html! {
        footer {
            @if let Some(operator) = &view.operator { p { (words.run_by) (Language::after(words.run_by)) (operator) } }
            p {
                @if view.made_ts > 0 { (words.as_of) " " (time(view.made_ts)) (language.stop()) (language.gap()) }
                (words.times) (language.gap())
                a href=((links.feed)(language)) { (words.feed) }
            }
        }
    }
}
