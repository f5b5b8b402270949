//! What cells answer: whether it settles a question, what of it other servers are shown, and the parts of it that are JSON.

use bytes::Bytes;
use domicile_core::{error::ErrorKind, locality::CellName, percent};
use http::{HeaderValue, Response, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Error, Result, error::not_found, media::ByteStream};

/// What an answer to another server consists of.
pub enum OuterBody {
    /// All of it.
    Whole(Bytes),
    /// One piece after another.
    Pieces(ByteStream),
}

/// What cells said that have nothing of what is asked, as far as it is told on: that one refuses it, rather than that another knows nothing.
#[derive(Default)]
pub(super) struct Kept(Option<(CellName, Response<Bytes>)>);

impl Kept {
    pub(super) fn keep(&mut self, cell: &CellName, answer: Response<Bytes>) {
        if self.0.as_ref().is_none_or(|(_, before)| before.status() == StatusCode::NOT_FOUND) {
            self.0 = Some((cell.clone(), answer));
        }
    }

    pub(super) fn refusal(self) -> Option<(CellName, Response<Bytes>)> {
        self.0
    }
}

/// Whether no other cell could say anything better: what is asked is wrong. A refusal is one cell's word, which the others are not bound by.
pub(super) fn is_final(answer: &Response<Bytes>) -> bool {
    match answer.status().as_u16() {
        401 | 403 | 404 => false,
        // Another cell may have somebody who can let them in.
        400 => !matches!(errcode(answer).as_deref(), Some("M_UNABLE_TO_GRANT_JOIN" | "M_UNABLE_TO_AUTHORISE_JOIN")),
        _ => true,
    }
}

/// An answer where a refusal would tell that there is something, as the answer where there is nothing.
pub(super) fn none_if_refused(answer: Response<Bytes>, missing: impl FnOnce() -> String) -> Result<Response<Bytes>> {
    if answer.status() == StatusCode::FORBIDDEN { Err(not_found(missing())) } else { Ok(answer) }
}

/// What is said of somebody who is not there.
pub(super) fn nobody(user: &str) -> String {
    format!("There is no user {user} here.")
}

fn errcode(answer: &Response<Bytes>) -> Option<String> {
    let said: Value = serde_json::from_slice(answer.body()).ok()?;
    Some(said.get("errcode")?.as_str()?.to_owned())
}

/// Whether a cell says that it cannot answer now, or does not let this gateway ask.
pub(super) fn is_no_answer(answer: &Response<Bytes>) -> bool {
    match answer.status().as_u16() {
        401 => errcode(answer).as_deref() == Some("M_UNAUTHORIZED"),
        status => status == 429 || status >= 500,
    }
}

/// An answer without headers that say where it comes from.
pub(super) fn bare<B>(answer: Response<B>) -> Response<B> {
    let (parts, body) = answer.into_parts();
    let mut bare = Response::new(body);
    *bare.status_mut() = parts.status;
    for name in [header::CONTENT_TYPE, header::CONTENT_DISPOSITION, header::LOCATION, header::CONTENT_SECURITY_POLICY] {
        if let Some(value) = parts.headers.get(&name) {
            bare.headers_mut().insert(name, value.clone());
        }
    }
    bare
}

/// What another server is told where a cell is not reached that would have to answer. Others have to go on delivering to those who are reached.
pub(super) fn is_away() -> Error {
    ErrorKind::PartAway.with("A part of this service cannot be reached at the moment: try again later.").into()
}

/// Whom an invite is for; the first version has the event alone in its body.
pub(super) fn invited(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let event = body.get("event").unwrap_or(&body);
    Some(event.get("state_key")?.as_str()?.to_owned())
}

pub(super) fn value(query: &str, key: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == key).find_map(|(_, value)| percent::decoded(value.replace('+', " ").as_bytes()))
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    Ok(serde_json::from_slice(body)
        .map_err(|error| ErrorKind::BadJson.with(format!("The body does not fit: {error}.")))?)
}

pub(super) fn json(value: &impl Serialize) -> Result<Response<Bytes>> {
    let mut answer = Response::new(Bytes::from(serde_json::to_vec(value).map_err(Error::internal)?));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(answer)
}
