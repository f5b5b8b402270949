//! What is around the user's own page.

use domicile_app::standing::Language;
use domicile_core::error::MatrixError;
use maud::{DOCTYPE, Markup, html};

use super::{address, visitor::Visitor, words::Words};
use crate::pages::{Page, form, style_address};

/// A page of the account's.
pub(super) fn around(service: &str, language: Language, visitor: Option<&Visitor>, content: &Markup) -> Page {
    let words = Words::of(language);
    Page::new(html! {
        (DOCTYPE)
        html lang=(language.code()) {
            (head(&format!("{} · {service}", words.title)))
            body {
                a.skip href="#content" { (words.skip) }
                div.sheet {
                    header.top {
                        p.service { (service) }
                        (languages(language))
                        @if let Some(visitor) = visitor {
                            form method="post" action={ (address(language)) "/logout" } {
                                (token(visitor)) button.quiet type="submit" { (words.sign_out) }
                            }
                        }
                    }
                    main id="content" { (content) }
                    footer { p { a href={ "/status/" (language.code()) } { (words.status) } " · " (words.times) } }
                }
            }
        }
    })
}

/// The head of a page.
pub(crate) fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="robots" content="noindex";
            title { (title) }
            link rel="stylesheet" href=(style_address(super::HOME));
        }
    }
}

fn languages(language: Language) -> Markup {
    html! {
        nav aria-label=(Words::of(language).languages) {
            ul.languages {
                @for other in Language::ALL {
                    li {
                        @if other == language { span aria-current="true" lang=(other.code()) { (other.own_name()) } }
                        @else { a href=(address(other)) hreflang=(other.code()) lang=(other.code()) { (other.own_name()) } }
                    }
                }
            }
        }
    }
}

/// What each form has in it, so that nobody else can make one.
pub(super) fn token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name=(form::TOKEN) value=(visitor.form_token()); }
}

/// The field of a form for the password that somebody has now.
pub(super) fn password(words: &Words) -> Markup {
    html! { label { (words.password) input type="password" name="password" autocomplete="current-password" required; } }
}

/// What is wrong with what somebody filled in; the server says it in English.
pub(super) fn refusal(words: &Words, refused: Option<&MatrixError>) -> Markup {
    html! {
        @if let Some(error) = refused {
            div.notice.bad role="alert" { p { (words.refused) (Language::after(words.refused)) span lang="en" { (error.message) } } }
        }
    }
}
