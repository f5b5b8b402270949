//! What a client that links the page wants somebody to do there (client-server, *Account management URL*).

use axum::{extract::RawQuery, http::request::Parts};
use domicile_app::standing::Language;
use serde::{Deserialize, Serialize};

use super::address;

/// The query of such a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wanted {
    /// What is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    /// To which device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) device_id: Option<String>,
}

impl Wanted {
    /// What a query says. One that cannot be read wants nothing: it leads to the page all the same.
    pub(super) fn read(query: Option<&str>) -> Self {
        query.and_then(|query| serde_html_form::from_str(query).ok()).unwrap_or_default()
    }

    /// Whether it wants something to be done.
    pub(super) fn has_action(&self) -> bool {
        self.action.is_some()
    }

    /// As the end of an address, so that it is not forgotten while somebody signs in.
    pub(super) fn query(&self) -> String {
        match serde_html_form::to_string(self) {
            Ok(query) if !query.is_empty() => format!("?{query}"),
            _ => String::new(),
        }
    }

    /// The page, and where on it that is done. What it does not do leads to its beginning.
    pub(super) fn place(&self, language: Language) -> String {
        let address = address(language);
        match self.action.as_deref() {
            Some("org.matrix.devices_list") => format!("{address}#devices"),
            Some("org.matrix.device_view" | "org.matrix.device_delete") => {
                let device = Self { action: None, device_id: self.device_id.clone() };
                format!("{address}{}#devices", device.query())
            }
            Some("org.matrix.account_deactivate") => format!("{address}#erase"),
            _ => address,
        }
    }
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Wanted {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, state).await?;
        Ok(Self::read(query.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(query: &str) -> String {
        Wanted::read(Some(query)).place(Language::En)
    }

    #[test]
    fn each_action_leads_to_its_place() {
        assert_eq!(place(""), "/account/en");
        assert_eq!(place("action=org.matrix.profile"), "/account/en");
        assert_eq!(place("action=org.matrix.devices_list&device_id=A"), "/account/en#devices");
        assert_eq!(
            place("action=org.matrix.device_delete&device_id=A%26B%0D"),
            "/account/en?device_id=A%26B%0D#devices"
        );
        assert_eq!(place("action=org.matrix.account_deactivate"), "/account/en#erase");
        assert_eq!(place("action=org.matrix.cross_signing_reset"), "/account/en");
        assert_eq!(place("action=a&action=b"), "/account/en");
    }
}
