//! GET /sign-in and /sign-in/{language} (how somebody who was given an account or a token signs in with an app)
//!
//! The page of the link that `domicile user add` and `domicile token add` print. It says what to type, knows nothing about whether there is such an
//! account, and hands nobody's name to the makers of apps.

mod words;
mod words_de;
mod words_ru;
mod words_zh;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::HeaderMap,
    response::Response,
    routing::get,
};
use domicile_app::{
    accounts::Users,
    entrance::{Entrance, Invited, PATH},
    standing::Language,
};
use domicile_core::{error::ErrorKind, percent};
use maud::{DOCTYPE, Markup, html};
use ruma::UserId;
use serde::{Deserialize, Serialize};

use crate::{
    account,
    error::Failure,
    pages::{self, Page},
    state::Services,
};
use words::Words;

/// Letters of a registration token (client-server, *Token-authenticated registration*).
const LONGEST_TOKEN: usize = 64;
/// Bytes that stand for themselves in a name that is part of an address.
const PLAIN: &[u8] = b"-._~";

/// The routes.
pub(crate) fn routes() -> Router<Services> {
    Router::new()
        .route("/sign-in", get(best))
        .route("/sign-in/{language}", get(show))
        // Where an app leads somebody that knows no way of signing in which this server has: a person is told what to do.
        .route("/_matrix/static/client/login/", get(best))
}

/// What the link says of whom it was made for. Nothing of it is looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Given {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl Given {
    /// What a query says. What can be no name and no token is left out: the page is there all the same.
    fn read(query: Option<&str>, users: &Users) -> Self {
        let given: Self = query.and_then(|query| serde_html_form::from_str(query).ok()).unwrap_or_default();
        let is_name = |name: &String| {
            let is_letter = |byte: u8| byte.is_ascii_graphic();
            name.bytes().all(is_letter) && UserId::parse(format!("@{name}:{}", users.server_name())).is_ok()
        };
        let is_token = |token: &String| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            !token.is_empty() && token.len() <= LONGEST_TOKEN && token.bytes().all(fits)
        };
        Self { name: given.name.filter(is_name), token: given.token.filter(is_token) }
    }

    fn invited(&self) -> Option<Invited<'_>> {
        let token = self.token.as_deref().map(Invited::Token);
        token.or_else(|| self.name.as_deref().map(Invited::Account))
    }

    /// The page's address in a language, with what the link said.
    fn address(&self, language: Language) -> String {
        let query = serde_html_form::to_string(self).unwrap_or_default();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{PATH}/{}{mark}{query}", language.code())
    }
}

async fn best(State(users): State<Arc<Users>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let language = account::accepted(&headers);
    pages::go_to(&Given::read(query.as_deref(), &users).address(language), Vec::new())
}

async fn show(
    State(users): State<Arc<Users>>,
    State(entrance): State<Arc<Entrance>>,
    Path(language): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Page, Failure> {
    let found = Language::ALL.into_iter().find(|known| known.code() == language);
    let language = found.ok_or_else(|| ErrorKind::NotFound.with("This page is in en, de, ru and zh."))?;
    let given = Given::read(query.as_deref(), &users);
    Ok(page(users.server_name().as_str(), &entrance, language, &given))
}

fn page(service: &str, entrance: &Entrance, language: Language, given: &Given) -> Page {
    let words = Words::of(language);
    let server = entrance.typed(given.invited());
    let address = entrance.address(given.invited());
    let elsewhere = entrance.elsewhere();
    Page::new(html! {
        (DOCTYPE)
        html lang=(language.code()) {
            (account::head(&format!("{} · {service}", words.title)))
            body {
                a.skip href="#content" { (words.skip) }
                div.sheet {
                    header.top {
                        p.service { (service) }
                        (languages(words, language, given))
                    }
                    main id="content" {
                        h1 { (words.title) }
                        p.lead { (words.about) }
                        (typed(words, service, server.as_deref(), given))
                        @if let (Some(server), Some(address)) = (&server, &address) { (apps(words, server, address, given)) }
                        h2 { (words.trouble) }
                        div.card {
                            p { (words.careful) }
                            @if !elsewhere.is_empty() {
                                p { (words.elsewhere) (Language::after(words.elsewhere)) b { (language.listed(&elsewhere)) } (language.stop()) }
                            }
                        }
                    }
                    footer {
                        p {
                            a href={ "/account/" (language.code()) } { (words.account) } " · "
                            a href={ "/status/" (language.code()) } { (words.status) }
                        }
                    }
                }
            }
        }
    })
}

fn languages(words: &Words, language: Language, given: &Given) -> Markup {
    html! {
        nav aria-label=(words.languages) {
            ul.languages {
                @for other in Language::ALL {
                    li {
                        @if other == language { span aria-current="true" lang=(other.code()) { (other.own_name()) } }
                        @else { a href=(given.address(other)) hreflang=(other.code()) lang=(other.code()) { (other.own_name()) } }
                    }
                }
            }
        }
    }
}

/// What is typed into an app.
fn typed(words: &Words, service: &str, server: Option<&str>, given: &Given) -> Markup {
    html! {
        h2 { (words.typed) }
        div.card {
            dl {
                dt { (words.server) }
                dd { @match server { Some(server) => { b.mono { (server) } } None => { (words.ask) } } }
                @if let Some(name) = &given.name {
                    dt { (words.name) }
                    dd { b.mono { (name) } br; span.soft.mono { "@" (name) ":" (service) } }
                }
                @if let Some(token) = &given.token {
                    dt { (words.token) }
                    dd { b.mono { (token) } br; span.soft { (words.token_about) } }
                }
                dt { (words.password) }
                dd { @if given.token.is_some() { (words.password_new) } @else { (words.password_given) } }
            }
        }
    }
}

/// Apps that a link opens with the server filled in, as their makers say, and how it goes in others. Their makers learn which server it is, and no name.
fn apps(words: &Words, server: &str, address: &str, given: &Given) -> Markup {
    let (name, url) = (percent::encoded(server, PLAIN), percent::encoded(address, PLAIN));
    // What is no name with TLS, no link can carry.
    let is_name = address.starts_with("https://") && address.ends_with(server) && server != address;
    let cinny = if given.token.is_some() { "register" } else { "login" };
    let link = |to: String, what: &str| html! { li { a href=(to) rel="noreferrer" { (what) } } };
    html! {
        h2 { (words.apps) }
        div.card {
            @if is_name {
                p { (words.apps_links) }
                ul {
                    @if given.token.is_none() {
                        (link(format!("https://mobile.element.io/element?account_provider={name}"), words.element_x))
                        (link(format!("https://mobile.element.io/?hs_url={url}"), words.element_classic))
                    }
                    (link(format!("https://app.cinny.in/{cinny}/{name}/"), words.cinny))
                }
                p.soft { (words.makers) }
            }
            p { (words.others) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_made_for_names_alone() {
        let given = Given::default();
        let words = Words::of(Language::En);
        let shown = apps(words, "north.chat.example.org", "https://north.chat.example.org", &given).into_string();
        for link in [
            "https://mobile.element.io/element?account_provider=north.chat.example.org",
            "https://mobile.element.io/?hs_url=https%3A%2F%2Fnorth.chat.example.org",
            "https://app.cinny.in/login/north.chat.example.org/",
        ] {
            assert!(shown.contains(&format!("href=\"{link}\" rel=\"noreferrer\"")), "{link}: {shown}");
        }
        let port = apps(words, "a.example:8448", "https://a.example:8448", &given).into_string();
        assert!(port.contains("account_provider=a.example%3A8448"), "{port}");
        for address in ["http://192.0.2.1:8008", "https://a.example/matrix"] {
            let shown = apps(words, address, address, &given).into_string();
            assert!(!shown.contains("href"), "{address}: {shown}");
        }
        let token = Given { token: Some("t".to_owned()), ..Given::default() };
        let shown = apps(words, "a.example", "https://a.example", &token).into_string();
        assert!(shown.contains("https://app.cinny.in/register/a.example/") && !shown.contains("element.io"), "{shown}");
    }
}
