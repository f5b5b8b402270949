//! What pages for a browser have in common: what a browser may do with them, forms, cookies, charts, times.
//!
//! They work without JavaScript, and nothing is fetched from anywhere else.

pub(crate) mod chart;
pub(crate) mod cookie;
pub(crate) mod form;
pub(crate) mod shown;

use axum::{
    body::Body,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE,
            X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
};
use maud::Markup;

/// The style sheet of all pages.
pub(crate) const STYLE: &str = include_str!("style.css");

/// What a browser may do with a page: show it with our style sheet, and send its forms back to us.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page as an answer.
pub(crate) struct Page {
    status: StatusCode,
    markup: Markup,
    cookies: Vec<String>,
}

impl Page {
    /// A page that was asked for.
    pub(crate) fn new(markup: Markup) -> Self {
        Self { status: StatusCode::OK, markup, cookies: Vec::new() }
    }

    /// The same with another status.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same with a cookie that the browser is to keep.
    pub(crate) fn with_cookie(mut self, cookie: String) -> Self {
        self.cookies.push(cookie);
        self
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut answer = (self.status, Body::from(self.markup.into_string())).into_response();
        let told: [(HeaderName, &'static str); 6] = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            // What is behind a password is not kept where somebody else could find it.
            (CACHE_CONTROL, "no-store"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_FRAME_OPTIONS, "DENY"),
            (REFERRER_POLICY, "same-origin"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        answer.headers_mut().extend(told.map(|(name, value)| (name, HeaderValue::from_static(value))));
        add_cookies(&mut answer, self.cookies);
        answer
    }
}

/// Sends a browser to another page of ours, which it asks for with GET.
pub(crate) fn go_to(place: &str, cookies: Vec<String>) -> Response {
    let mut answer = StatusCode::SEE_OTHER.into_response();
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert(LOCATION, HeaderValue::from_str(place).unwrap_or(HeaderValue::from_static("/")));
    add_cookies(&mut answer, cookies);
    answer
}

/// The style sheet, which a browser may keep for an hour.
pub(crate) async fn style() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/css; charset=utf-8"),
        (CACHE_CONTROL, "public, max-age=3600"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, STYLE).into_response()
}

/// The address of a style sheet under `path`: another text has another address, so that no browser shows a page with an old one.
pub(crate) fn style_address(path: &str) -> String {
    use std::sync::LazyLock;

    use sha2::{Digest, Sha256};
    static VERSION: LazyLock<String> =
        LazyLock::new(|| hex(Sha256::digest(STYLE.as_bytes()).get(..4).unwrap_or_default()));
    format!("{path}/style.css?{}", *VERSION)
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn add_cookies(answer: &mut Response, cookies: Vec<String>) {
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            answer.headers_mut().append(SET_COOKIE, value);
        }
    }
}
