//! POST /account/{language}/never (countries under whose law nothing of somebody's may be, and what that rules out)

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use domicile_app::{
    residency::Layout,
    standing::{Language, Noted},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{acts::refused, address, home::called, known, page::token, visitor::Visitor, words::Words};
use crate::{
    error::Failure,
    pages::{go_to, shown::date},
    state::Services,
};

/// Letters of the field: more countries than can be named do not fit.
const LONGEST: usize = 200;

#[derive(Deserialize)]
struct Never {
    codes: String,
}

/// A region in which somebody's home cannot be, and the law that holds there and that they have named.
pub(super) type RuledOut = (String, String);

/// Notes in which countries nothing of somebody's may be.
pub(super) async fn name(
    State(services): State<Services>,
    Path(language): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (visitor, form) = Visitor::acting(&services, known(&language)?, request).await?;
    let Never { codes } = form.fields()?;
    match services.jurisdictions.avoid(&visitor.session.user_id, &listed(&codes)).await {
        Ok(_) => Ok(go_to(&format!("{}#never", address(visitor.language)), Vec::new())),
        Err(error) => refused(&services, &visitor, error).await,
    }
}

/// The codes that somebody typed, with whatever they put between them.
fn listed(codes: &str) -> Vec<String> {
    let between = |letter: char| letter.is_whitespace() || ",;.，、；".contains(letter);
    codes.split(between).filter(|code| !code.is_empty()).map(str::to_ascii_uppercase).collect()
}

/// What is named and why regions are ruled out, and a form to change it.
pub(super) fn section(
    words: &Words,
    visitor: &Visitor,
    layout: Option<&Layout>,
    (noted, ruled_out): (&Noted, &[RuledOut]),
) -> Markup {
    let language = visitor.language;
    let regions = layout.map(|layout| layout.regions.as_slice()).unwrap_or_default();
    html! {
        h2 id="never" { (words.never) }
        div.card {
            p { (words.never_about) }
            @if noted.never_in.is_empty() {
                p { (words.never_none) }
            } @else {
                p {
                    (words.never_named) (Language::after(words.never_named)) b { (language.listed(&noted.never_in)) }
                    @if let Some(at) = noted.never_in_ts { (language.comma()) (date(at)) }
                    (language.stop())
                }
                @for (name, law) in ruled_out {
                    @let region = regions.iter().find(|region| region.name == *name);
                    p {
                        @if region.is_some_and(|region| region.is_own) { (words.never_home) } @else { (words.never_rules_out) }
                        " " b { (region.map_or_else(|| name.clone(), called)) } (language.comma()) (words.never_since) (Language::after(words.never_since)) b { (law) } (language.stop())
                    }
                }
            }
            details {
                summary { (words.never_change) }
                form.act method="post" action={ (address(language)) "/never" } {
                    (token(visitor))
                    label {
                        (words.never_codes)
                        input name="codes" value=(noted.never_in.join(" ")) maxlength=(LONGEST) autocapitalize="characters" autocomplete="off";
                    }
                    button type="submit" { (words.save) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_with_whatever_stands_between_them() {
        assert_eq!(listed(" ru, CN;kz  "), ["RU", "CN", "KZ"]);
        assert_eq!(listed("RU、CN"), ["RU", "CN"]);
        assert!(listed(" , ").is_empty());
    }
}
