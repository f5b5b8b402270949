//! POST /account/{language}/key and export (all that is held about somebody, in a file that only they can open)

use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use domicile_app::standing::Language;
use futures::{StreamExt as _, stream};
use maud::{Markup, html};
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use super::{
    acts::{confirmed, refused},
    address, known,
    page::{around, password, token},
    visitor::{Visitor, attachment},
    words::Words,
};
use crate::{error::Failure, state::Services};

/// Bytes of a file that are in memory at once.
const PIECE: usize = 64 * 1024;

/// A new pair of keys, which is shown once and kept nowhere, with the form that uses it.
pub(super) async fn key(
    State(services): State<Services>,
    Path(language): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (visitor, _) = Visitor::acting(&services, known(&language)?, request).await?;
    let (words, own) = (visitor.words(), services.exports.own_key());
    let content = html! {
        h1 { (words.key_title) }
        p.lead { (words.key_about) }
        div.card.care {
            h2 id="secret" { (words.key_secret) }
            pre aria-labelledby="secret" { (own.secret.as_str()) }
            p { (words.key_keep) }
            p { (words.key_opens) }
            pre { "age -d -i KEY.txt " (visitor.session.user_id.localpart()) ".tar.age | tar x" }
        }
        (with_key(words, &visitor, &own.public))
        p { a href=(address(visitor.language)) { (words.back) } }
    };
    Ok(around(services.users.server_name().as_str(), visitor.language, Some(&visitor), &content).into_response())
}

#[derive(Deserialize)]
struct Export {
    recipient: String,
    password: String,
}

/// All that is held about somebody, in a file that only they can open.
pub(super) async fn export(
    State(services): State<Services>,
    Path(language): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (visitor, form) = Visitor::acting(&services, known(&language)?, request).await?;
    let Export { recipient, password } = form.fields()?;
    let made = match confirmed(&services, &visitor, password).await {
        Ok(()) => services.exports.own(&visitor.session.user_id, &recipient).await,
        Err(error) => Err(error),
    };
    let (file, bytes) = match made {
        Ok(made) => made,
        Err(error) => return refused(&services, &visitor, error).await,
    };
    let file = tokio::fs::File::from_std(file);
    let pieces = stream::unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(piece), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    });
    let mut answer = Body::from_stream(pieces.boxed()).into_response();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_DISPOSITION, attachment(&format!("{}.tar.age", visitor.session.user_id.localpart())));
    Ok(answer)
}

/// The two ways: with a key that is made for them, or with one that they have.
pub(super) fn forms(words: &Words, visitor: &Visitor) -> Markup {
    html! {
        h2 id="export" { (words.export) }
        form.act.card method="post" action={ (address(visitor.language)) "/key" } {
            (token(visitor))
            p { (words.export_about) }
            p { (words.key_offer) }
            button type="submit" { (words.key_button) }
        }
        details {
            summary { (words.own_key) }
            form.act.card method="post" action={ (address(visitor.language)) "/export" } {
                (token(visitor))
                label { (words.recipient) small { (words.recipient_about) (Language::after(words.recipient_about)) code { "age-keygen" } } input.mono name="recipient" placeholder="age1…" autocomplete="off" autocapitalize="none" required; }
                (password(words))
                button type="submit" { (words.export_button) }
            }
        }
    }
}

/// The form for the file, with a key that is known.
fn with_key(words: &Words, visitor: &Visitor, public: &str) -> Markup {
    html! {
        form.act.card method="post" action={ (address(visitor.language)) "/export" } {
            (token(visitor))
            input type="hidden" name="recipient" value=(public);
            p { (words.recipient) (visitor.language.colon()) span.mono { (public) } }
            (password(words))
            button type="submit" { (words.export_button) }
        }
    }
}
