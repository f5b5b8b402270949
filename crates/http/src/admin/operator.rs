//! Who asks: the name that the operator gives, and the account on the machine that the system tells.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use domicile_app::evidence::access_log::Operator;
use domicile_core::{error::ErrorKind, percent};

use crate::error::Failure;

/// The header with the operator's name.
pub const NAME: &str = "domicile-operator";
/// The header with the reason, percent-encoded.
pub const REASON: &str = "domicile-reason";
/// Longest of either, in bytes.
const LONGEST: usize = 2_000;

/// The account on the machine of the process that asks, as an extension.
#[derive(Clone, Copy, Debug)]
pub struct Uid(pub u32);

/// Who asks, and why.
pub(super) struct By {
    pub(super) operator: Operator,
    pub(super) reason: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let uid = parts.extensions.get::<Uid>().map(|uid| uid.0);
        let name = text(&parts.headers, NAME)?.filter(|name| !name.trim().is_empty());
        let name = name.or_else(|| uid.map(|uid| format!("uid {uid}"))).unwrap_or_else(|| "operator".to_owned());
        Ok(Self { operator: Operator { name, uid }, reason: text(&parts.headers, REASON)? })
    }
}

/// A header's text, percent-decoded.
fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let wrong = || Failure::from(ErrorKind::InvalidParam.with(format!("The header `{name}` cannot be read.")));
    let bytes = value.as_bytes();
    if bytes.len() > LONGEST {
        return Err(wrong());
    }
    percent::decoded(bytes).map(Some).ok_or_else(wrong)
}

/// A text as it stands in a header.
pub fn encoded(text: &str) -> String {
    percent::encoded(text, b" .-_@:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_through_a_header() {
        for said in ["ada", "Zoë asked: 100% of it\n…", ""] {
            let mut headers = HeaderMap::new();
            headers.insert(REASON, encoded(said).parse().unwrap());
            assert_eq!(text(&headers, REASON).ok().flatten().as_deref(), Some(said));
        }
        for wrong in ["%", "%G1", "%ff"] {
            let mut headers = HeaderMap::new();
            headers.insert(REASON, wrong.parse().unwrap());
            assert!(text(&headers, REASON).is_err(), "{wrong}");
        }
    }
}
