//! The public rooms of all cells as one list.

use bytes::Bytes;
use domicile_core::error::ErrorKind;
use http::Response;
use serde_json::{Map, Value};

use super::{
    Asked, Here, Inward,
    answers::{json, read, value},
};
use crate::{Error, Result};

impl Inward {
    /// The rooms of all cells, one cell's after another's. The token of a page says how far that is, sealed: nobody outside counts cells.
    pub(super) async fn pages(&self, asked: &Asked, query: &str, here: &dyn Here) -> Result<Response<Bytes>> {
        let is_get = asked.method == http::Method::GET;
        let mut body: Map<String, Value> = if is_get { Map::new() } else { read(&asked.body)? };
        let since = if is_get {
            value(query, "since")
        } else {
            body.remove("since").and_then(|since| Some(since.as_str()?.to_owned()))
        };
        let (from, inner) = match since {
            None => (0, None),
            Some(since) => self.place(&since)?,
        };
        let cells = self.cells_for(&asked.origin);
        let (mut refused, mut is_told) = (None, false);
        for (index, cell) in cells.iter().enumerate().skip(from) {
            let since = inner.clone().filter(|_| index == from);
            let mut asked = asked.clone();
            if is_get {
                let others = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("since="));
                let since = since.map(|since| format!("since={since}"));
                let query: Vec<String> = others.map(str::to_owned).chain(since).collect();
                let path = asked.path.split('?').next().unwrap_or_default();
                asked.path = format!("{path}?{}", query.join("&"));
            } else {
                let mut body = body.clone();
                body.extend(since.map(|since| ("since".to_owned(), Value::String(since))));
                asked.body = Bytes::from(serde_json::to_vec(&body).map_err(Error::internal)?);
            }
            let Some(answer) = self.one(cell, &asked, here).await else { continue };
            // One that refuses has nothing for the list, and the others may.
            if !answer.status().is_success() {
                refused = Some(answer);
                continue;
            }
            let Ok(mut page) = read::<Map<String, Value>>(answer.body()) else { continue };
            is_told = true;
            page.remove("prev_batch");
            // Of how many rooms there are in all, one cell knows its part only.
            page.remove("total_room_count_estimate");
            let next = page.remove("next_batch").and_then(|next| Some(next.as_str()?.to_owned()));
            let is_empty = page.get("chunk").and_then(Value::as_array).is_none_or(Vec::is_empty);
            let last = index + 1 == cells.len();
            if is_empty && next.is_none() && !last {
                continue;
            }
            let next = match next {
                Some(next) => Some((index, next)),
                None if !last => Some((index + 1, String::new())),
                None => None,
            };
            if let Some(next) = next {
                page.insert("next_batch".to_owned(), self.token(&next)?.into());
            }
            return json(&page);
        }
        match refused {
            // Nobody can read the question.
            Some(answer) if !is_told && answer.status() == http::StatusCode::BAD_REQUEST => Ok(answer),
            _ => json(&serde_json::json!({ "chunk": [] })),
        }
    }

    fn token(&self, place: &(usize, String)) -> Result<String> {
        self.spool().sealed_token(&serde_json::to_vec(place).map_err(Error::internal)?)
    }

    fn place(&self, token: &str) -> Result<(usize, Option<String>)> {
        let wrong = || ErrorKind::InvalidParam.with("`since` is none of this server's tokens.");
        let place = self.spool().opened_token(token).ok_or_else(wrong)?;
        let (index, since): (usize, String) = serde_json::from_slice(&place).map_err(|_| wrong())?;
        Ok((index, Some(since).filter(|since| !since.is_empty())))
    }
}
