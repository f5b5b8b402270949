//! What a cell has its gateway ask of another server, as it stands in a request between the two.

use domicile_core::percent;
use ruma::OwnedServerName;

/// Where a cell hands its gateway what goes to another server: what is asked stands in the query, the body is that of the request.
pub const ASK: &str = "/_domicile/inner/v1/gateway/ask";

/// A text as it stands in a path or a query; a slash stays one.
pub(super) fn escaped(text: &str) -> String {
    percent::encoded(text, b"-._~/")
}

/// What is to be asked of another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// The server.
    pub to: OwnedServerName,
    /// The method.
    pub method: http::Method,
    /// Path and query.
    pub path: String,
    /// Whether it is signed.
    pub signed: bool,
    /// How long it may take, in milliseconds.
    pub time_ms: u64,
    /// How large the answer may be.
    pub bytes: usize,
}

impl Errand {
    pub(super) fn to_path(&self) -> String {
        let Self { to, method, path, signed, time_ms, bytes } = self;
        let (to, path) = (escaped(to.as_str()), escaped(path));
        format!("{ASK}?to={to}&method={method}&path={path}&signed={signed}&time={time_ms}&bytes={bytes}")
    }

    /// Reads what a cell handed over.
    pub fn read(query: &str) -> Option<Self> {
        let value = |key: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == key).and_then(|(_, value)| percent::decoded(value.as_bytes()))
        };
        let path = value("path").filter(|path| path.starts_with("/_matrix/"))?;
        Some(Self {
            to: OwnedServerName::try_from(value("to")?).ok()?,
            method: value("method")?.parse().ok()?,
            path,
            signed: value("signed")?.parse().ok()?,
            time_ms: value("time")?.parse().ok()?,
            bytes: value("bytes")?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errand_is_read_as_it_is_written() {
        let errand = Errand {
            to: "example.com:8448".try_into().unwrap(),
            method: http::Method::PUT,
            path: "/_matrix/federation/v1/send/a%2Fb?x=1&y=ä".to_owned(),
            signed: true,
            time_ms: 30_000,
            bytes: 7,
        };
        let path = errand.to_path();
        let (before, query) = path.split_once('?').unwrap();
        assert_eq!(before, ASK);
        assert_eq!(Errand::read(query), Some(errand));
        assert!(path.parse::<http::Uri>().is_ok(), "{path}");
        for wrong in ["", "to=a", "to=a&method=GET&path=/x&signed=true&time=1&bytes=1"] {
            assert_eq!(Errand::read(wrong), None, "{wrong}");
        }
    }
}
