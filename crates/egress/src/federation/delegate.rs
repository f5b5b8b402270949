//! `GET /.well-known/matrix/server`: whom a name delegates its server to (server-server specification, *Resolving server names*, step 3).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use domicile_core::clock::{Clock, HOUR_MS, MINUTE_MS, SECOND_MS};
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{AGE, CACHE_CONTROL, DATE, EXPIRES, LOCATION},
};
use http_body_util::Full;
use ruma::{OwnedServerName, ServerName};
use url::Url;

use super::{kept::Kept, locate::DnsHosts};
use crate::client::{Bounds, Client, ClientError};

/// What one answer may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), bytes: 64 * 1024 };
/// Time for all of it, with what it redirects to.
const TIME: Duration = Duration::from_secs(20);
/// Redirects that are followed.
const REDIRECTS: usize = 30;
/// Names that are kept in memory.
const KEPT: usize = 10_000;
/// How long an answer is good that does not say it, and the bounds of what it may say.
const USUAL_MS: i64 = 24 * HOUR_MS;
const SHORTEST_MS: i64 = 5 * MINUTE_MS;
const LONGEST_MS: i64 = 48 * HOUR_MS;
/// How long a failure is good: the first, doubled by each that follows it, up to an hour.
const FAILURE_MS: i64 = 5 * MINUTE_MS;
const LONGEST_FAILURE_MS: i64 = HOUR_MS;

/// Why a name delegates to nobody.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoDelegation {
    /// There was no answer.
    #[error("{0}")]
    Client(Arc<ClientError>),
    /// It answered with another status than 200.
    #[error("it answered with status {0}")]
    Status(u16),
    /// It leads elsewhere too often, in a circle, or to something that is not `https`.
    #[error("it leads to {0}, which is not followed")]
    Redirect(String),
    /// The answer is not what the specification says.
    #[error("its answer is no JSON object with a server name as `m.server`")]
    Nonsense,
}

/// What a name said.
#[derive(Clone, Debug)]
struct Said {
    to: Result<OwnedServerName, NoDelegation>,
    failures: u32,
}

/// Asks names whom they delegate to.
pub struct Delegations {
    client: Client<DnsHosts>,
    clock: Arc<dyn Clock>,
    said: Kept<OwnedServerName, Said>,
}

impl Delegations {
    pub(super) fn new(client: Client<DnsHosts>, clock: Arc<dyn Clock>) -> Self {
        Self { client, said: Kept::new(KEPT, Arc::clone(&clock)), clock }
    }

    /// Whom a name delegates to; itself, if to nobody.
    pub async fn delegate(&self, name: &ServerName) -> OwnedServerName {
        if name.is_ip_literal() || name.port().is_some() {
            return name.to_owned();
        }
        let said = self.said.get(&name.to_owned(), async |old| self.refresh(name, old).await).await;
        said.to.unwrap_or_else(|error| {
            tracing::debug!(%error, "a name has no delegation");
            name.to_owned()
        })
    }

    /// Forgets what a name said.
    pub(super) fn forget(&self, name: &ServerName) {
        self.said.forget(name);
    }

    async fn refresh(&self, name: &ServerName, old: Option<Said>) -> (Said, i64) {
        match self.ask(name).await {
            Ok((to, life_ms)) => (Said { to: Ok(to), failures: 0 }, self.clock.now_ms().saturating_add(life_ms)),
            Err(error) => {
                let failures = old.map_or(0, |old| old.failures);
                let pause = (FAILURE_MS << failures.min(8)).min(LONGEST_FAILURE_MS);
                (Said { to: Err(error), failures: failures + 1 }, self.clock.now_ms().saturating_add(pause))
            }
        }
    }

    /// Asks a name now, whatever is known. Gives whom it delegates to, and for how many milliseconds that is good.
    pub async fn ask(&self, name: &ServerName) -> Result<(OwnedServerName, i64), NoDelegation> {
        let asking = tokio::time::timeout(TIME, self.follow(name)).await;
        let answer = asking.map_err(|_| NoDelegation::Client(Arc::new(ClientError::Slow)))??;
        if answer.status() != StatusCode::OK {
            return Err(NoDelegation::Status(answer.status().as_u16()));
        }
        let to = read(answer.body()).ok_or(NoDelegation::Nonsense)?;
        Ok((to, life_ms(answer.headers(), self.clock.now_ms())))
    }

    async fn follow(&self, name: &ServerName) -> Result<Response<Bytes>, NoDelegation> {
        let start = format!("https://{}/.well-known/matrix/server", name.host());
        let mut url = Url::parse(&start).map_err(|_| NoDelegation::Redirect(start))?;
        let mut seen = vec![url.clone()];
        loop {
            let mut request = Request::new(Full::new(Bytes::new()));
            *request.uri_mut() = url.as_str().parse().map_err(|_| NoDelegation::Redirect(url.to_string()))?;
            let answer =
                self.client.ask(request, BOUNDS).await.map_err(|error| NoDelegation::Client(Arc::new(error)))?;
            let leads = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            let Some(to) = answer.headers().get(LOCATION).filter(|_| leads) else { return Ok(answer) };
            let to = to.to_str().map_err(|_| NoDelegation::Nonsense)?;
            let next = url.join(to).map_err(|_| NoDelegation::Redirect(to.to_owned()))?;
            if next.scheme() != "https" || seen.len() > REDIRECTS || seen.contains(&next) {
                return Err(NoDelegation::Redirect(next.to_string()));
            }
            seen.push(next.clone());
            url = next;
        }
    }
}

/// The server name of an answer.
fn read(body: &[u8]) -> Option<OwnedServerName> {
    let answer: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    OwnedServerName::try_from(answer.get("m.server")?.as_str()?).ok()
}

/// For how long an answer is good.
fn life_ms(headers: &HeaderMap, now_ms: i64) -> i64 {
    let texts = |name| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let number = |text: &str| text.trim().trim_matches('"').parse::<i64>().ok().filter(|number| *number >= 0);
    let directives = || texts(CACHE_CONTROL).flat_map(|text| text.split(',')).map(str::trim);
    if directives().any(|word| word.eq_ignore_ascii_case("no-store") || word.eq_ignore_ascii_case("no-cache")) {
        return SHORTEST_MS;
    }
    let max_age = directives().find_map(|word| {
        let (name, value) = word.split_once('=')?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| number(value)).flatten()
    });
    let said = match max_age {
        // A cache on the way may have had it for a while.
        Some(seconds) => {
            let age = texts(AGE).find_map(number).unwrap_or(0);
            Some(seconds.saturating_sub(age).saturating_mul(SECOND_MS))
        }
        None => texts(EXPIRES).next().map(|text| {
            let now = texts(DATE).find_map(date_ms).unwrap_or(now_ms);
            // What is no date is a time that has passed (RFC 9111, section 5.3).
            date_ms(text).map_or(0, |expires| expires.saturating_sub(now))
        }),
    };
    said.unwrap_or(USUAL_MS).clamp(SHORTEST_MS, LONGEST_MS)
}

fn date_ms(text: &str) -> Option<i64> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_good_for_as_long_as_it_says_within_bounds() {
        let life = |lines: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, value.parse().unwrap());
            }
            life_ms(&headers, 1_000_000) / SECOND_MS
        };
        assert_eq!(life(&[]), 86_400);
        assert_eq!(life(&[("cache-control", "public, Max-Age=7200")]), 7_200);
        assert_eq!(life(&[("cache-control", "max-age=7200"), ("age", "3600")]), 3_600);
        assert_eq!(life(&[("cache-control", "max-age=9999999")]), 172_800);
        assert_eq!(life(&[("cache-control", "max-age=99999999999999999999")]), 86_400);
        assert_eq!(life(&[("cache-control", "max-age=1")]), 300);
        assert_eq!(life(&[("cache-control", "max-age=7200"), ("cache-control", "no-store")]), 300);
        assert_eq!(life(&[("expires", "0")]), 300);
        assert_eq!(
            life(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("expires", "Sun, 06 Nov 1994 10:49:37 GMT")]),
            7_200
        );
    }

    #[test]
    fn what_is_no_server_name_delegates_to_nobody() {
        assert_eq!(read(br#"{"m.server":"a.example:443","more":[1]}"#).unwrap(), "a.example:443");
        for nonsense in ["", "[]", "{}", r#"{"m.server":1}"#, r#"{"m.server":""}"#, r#"{"m.server":"a b"}"#, "\u{fffd}"]
        {
            assert!(read(nonsense.as_bytes()).is_none(), "{nonsense}");
        }
    }
}
