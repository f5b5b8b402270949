//! Cookies: secrets that a browser holds for one part of our pages. Scripts do not see them, and no other site's link or form sends them.

use axum::http::{HeaderMap, header::COOKIE};

/// A cookie by which a session is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cookie {
    /// Its name.
    pub(crate) name: &'static str,
    /// The pages that get it.
    pub(crate) path: &'static str,
}

impl Cookie {
    /// What the browser is told to hold until it is closed. `private`: only over TLS.
    pub(crate) fn set(self, value: &str, private: bool) -> String {
        let secure = if private { "; Secure" } else { "" };
        format!("{}={value}; Path={}; HttpOnly; SameSite=Strict{secure}", self.name, self.path)
    }

    /// What the browser is told when it is to hold nothing any more.
    pub(crate) fn clear(self) -> String {
        format!("{}=; Path={}; HttpOnly; SameSite=Strict; Max-Age=0", self.name, self.path)
    }

    /// What a browser holds. Where it sends two of the name, somebody put one there: neither counts.
    pub(crate) fn get(self, headers: &HeaderMap) -> Option<String> {
        let sent = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = sent.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(name, _)| *name == self.name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) if !value.is_empty() && value.len() <= 256 => Some(value.to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE_OF_TEST: Cookie = Cookie { name: "session", path: "/console" };

    #[test]
    fn one_cookie_of_the_name_counts() {
        let get = |sent: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in sent {
                headers.append(COOKIE, value.parse().unwrap());
            }
            COOKIE_OF_TEST.get(&headers)
        };
        assert_eq!(get(&["a=b; session=x; c=d"]).as_deref(), Some("x"));
        assert_eq!(get(&["session2=x"]), None);
        assert_eq!(get(&["session=x; session=y"]), None);
        assert_eq!(get(&["session=x", "session=y"]), None);
        assert_eq!(get(&["session="]), None);
    }

    #[test]
    fn it_is_for_us_alone() {
        let set = COOKIE_OF_TEST.set("x", true);
        assert_eq!(set, "session=x; Path=/console; HttpOnly; SameSite=Strict; Secure");
        assert!(!COOKIE_OF_TEST.set("x", false).contains("Secure"));
    }
}
