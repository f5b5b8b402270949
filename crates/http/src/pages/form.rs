//! Forms as they come back from a browser: bounded, and only from our own pages.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::Request,
    http::{
        HeaderMap,
        header::{CONTENT_TYPE, HOST, ORIGIN},
        uri::Uri,
    },
};
use domicile_app::Error;
use domicile_core::error::ErrorKind;
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;

use crate::extract::BodyTime;

/// Largest form in bytes.
const FORM_BYTES: usize = 128 * 1024;
/// How long a form may take to arrive, unless the listener says otherwise.
const TIME: Duration = Duration::from_secs(30);
/// The field with what others do not know.
pub(crate) const TOKEN: &str = "form_token";

/// A form's fields. It is kept as text, because what it means is only read when it is known whose it is.
pub(crate) struct Form(Bytes);

impl Form {
    /// Reads the body of a request, which has to come from a page of ours.
    pub(crate) async fn read(request: Request) -> Result<Self, Error> {
        let headers = request.headers();
        let kind = headers.get(CONTENT_TYPE).map(axum::http::HeaderValue::as_bytes).unwrap_or_default();
        if !kind.starts_with(b"application/x-www-form-urlencoded") {
            return Err(ErrorKind::InvalidParam.with("This is no form of a page.").into());
        }
        if !is_own(headers, request.uri()) {
            return Err(ErrorKind::Forbidden.with("The form was sent by a page of somebody else.").into());
        }
        let time = request.extensions().get::<BodyTime>().map_or(TIME, |time| time.0);
        let body = Limited::new(request.into_body(), FORM_BYTES);
        let read = tokio::time::timeout(time, body.collect()).await;
        let read = read.map_err(|_| ErrorKind::Unknown.with("The form took too long to arrive."))?;
        let read = read.map_err(|_| ErrorKind::TooLarge.with("The form is too large."))?;
        Ok(Self(read.to_bytes()))
    }

    /// The fields that are wanted.
    pub(crate) fn fields<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let read = serde_html_form::from_bytes(&self.0);
        Ok(read.map_err(|error| ErrorKind::InvalidParam.with(format!("The form is not as it should be: {error}.")))?)
    }

    /// The field with what others do not know.
    pub(crate) fn token(&self) -> String {
        let pairs: Vec<(String, String)> = serde_html_form::from_bytes(&self.0).unwrap_or_default();
        pairs.into_iter().find(|(name, _)| name == TOKEN).map(|(_, value)| value).unwrap_or_default()
    }
}

/// Whether a browser says that a page of ours sent the form. One that says nothing is left to the token.
fn is_own(headers: &HeaderMap, uri: &Uri) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site.as_bytes() == b"same-origin";
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(axum::http::uri::Authority::as_str));
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.is_some() && origin == host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_site_is_none_of_ours() {
        let is = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            is_own(&headers, &Uri::from_static("/console/login"))
        };
        assert!(is(&[("sec-fetch-site", "same-origin"), ("origin", "https://a"), ("host", "b")]));
        for site in ["cross-site", "same-site", "none"] {
            assert!(!is(&[("sec-fetch-site", site)]), "{site}");
        }
        assert!(is(&[("origin", "https://a:8"), ("host", "a:8")]));
        assert!(
            !is(&[("origin", "https://evil.example"), ("host", "a")]) && !is(&[("origin", "null"), ("host", "null")])
        );
        assert!(is(&[("host", "a")]));
    }
}
