//! Whether a page is what the target says, or what somebody else put in its place.

use super::{measurement::HttpRequest, outside::Seen};

/// What stands on the pages with which states and providers say that something is blocked. Lower case. Taken from what such pages are known to say;
/// it only adds to other evidence, or names the page where nobody elsewhere saw the true one.
const MARKS: [&str; 14] = [
    "zapret-info",
    "eais.rkn.gov.ru",
    "blocklist.rkn.gov.ru",
    "доступ к информационному ресурсу ограничен",
    "доступ ограничен",
    "internetpositif",
    "internet positif",
    "trustpositif",
    "peyvandha.ir",
    "10.10.34.3",
    "this site has been blocked",
    "this website has been blocked",
    "access to this site has been denied",
    "has been blocked as per the instructions of",
];

/// The status that says it outright (RFC 7725).
pub const UNAVAILABLE_FOR_LEGAL_REASONS: u16 = 451;
/// Lengths are alike if the shorter is more than this part of the longer, in hundredths (OONI's measure).
const ALIKE: u64 = 70;

/// What marks a page as one that stands in for a blocked one.
pub fn mark(request: &HttpRequest) -> Option<String> {
    if request.status == Some(UNAVAILABLE_FOR_LEGAL_REASONS) {
        return Some("its status is 451, \"unavailable for legal reasons\"".to_owned());
    }
    let title = request.title.as_deref().unwrap_or_default();
    let texts = [title, request.location().unwrap_or_default(), request.body.as_str()].map(str::to_lowercase);
    let found = MARKS.iter().find(|mark| texts.iter().any(|text| text.contains(*mark)))?;
    Some(format!("it says \"{found}\""))
}

/// How an answer in the clear differs from the one that was seen elsewhere; none if it may well be the same.
pub fn difference(here: &HttpRequest, host: &str, there: Option<&Seen>) -> Option<String> {
    let status = here.status?;
    if leads_home(here, host) {
        return None;
    }
    let Some(there) = there else {
        return Some(format!("something answers with status {status} where, seen from elsewhere, nothing does"));
    };
    let class = |status: u16| status / 100;
    if class(status) != class(there.status) {
        return Some(format!("its status is {status}, and {} seen from elsewhere", there.status));
    }
    if class(status) == 3 {
        let (here, there) = (here.location().unwrap_or_default(), there.location.as_deref().unwrap_or_default());
        return (here != there)
            .then(|| format!("it points to {}, and to {} seen from elsewhere", quoted(here), quoted(there)));
    }
    if here.title == there.title && here.title.is_some() {
        return None;
    }
    let (short, long) = (here.length.min(there.length), here.length.max(there.length));
    let unlike = here.title != there.title || (long > 0 && short.saturating_mul(100) <= long.saturating_mul(ALIKE));
    unlike.then(|| {
        format!(
            "its title is {} and it has {} bytes; seen from elsewhere, the title is {} and it has {} bytes",
            quoted(here.title.as_deref().unwrap_or_default()),
            here.length,
            quoted(there.title.as_deref().unwrap_or_default()),
            there.length
        )
    })
}

/// Whether it only says to come back encrypted, to the same host.
fn leads_home(here: &HttpRequest, host: &str) -> bool {
    let Some(rest) = here.location().and_then(|location| location.strip_prefix("https://")) else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let name = authority.split(':').next().unwrap_or_default();
    name.eq_ignore_ascii_case(host)
}

/// A stranger's text in a sentence of ours: short, on one line, between quotation marks.
pub fn quoted(text: &str) -> String {
    const LONGEST: usize = 120;
    let clean: String = text
        .chars()
        .map(|letter| if letter.is_control() || letter == '"' { ' ' } else { letter })
        .take(LONGEST)
        .collect();
    let more = if text.chars().count() > LONGEST { "…" } else { "" };
    format!("\"{}{more}\"", clean.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, title: &str, location: Option<&str>) -> HttpRequest {
        HttpRequest {
            status: Some(status),
            title: Some(title.to_owned()),
            length: 500,
            headers: location.map(|to| ("Location".to_owned(), to.to_owned())).into_iter().collect(),
            ..HttpRequest::default()
        }
    }

    #[test]
    fn pages_are_told_apart() {
        let true_one = Seen { status: 301, location: Some("https://m.example/".to_owned()), ..Seen::default() };
        assert_eq!(difference(&answer(301, "", Some("https://m.example/x")), "m.example", Some(&true_one)), None);
        assert_eq!(difference(&answer(301, "", Some("https://m.example:443/")), "m.example", None), None);
        for (status, to) in
            [(200, None), (302, Some("http://block.example/")), (302, Some("https://m.example.evil.example/"))]
        {
            assert!(difference(&answer(status, "Blocked", to), "m.example", Some(&true_one)).is_some(), "{status}");
            assert!(difference(&answer(status, "Blocked", to), "m.example", None).is_some(), "{status}");
        }
        let page = Seen { status: 200, title: Some("Home".to_owned()), length: 510, location: None };
        assert_eq!(difference(&answer(200, "Home", None), "m.example", Some(&page)), None);
        assert!(difference(&answer(200, "Blocked", None), "m.example", Some(&page)).is_some());
        assert_eq!(difference(&HttpRequest::default(), "m.example", Some(&page)), None);
    }

    #[test]
    fn block_pages_are_known_by_what_they_say() {
        assert!(mark(&answer(451, "", None)).is_some());
        assert!(mark(&answer(302, "", Some("http://blocklist.rkn.gov.ru/"))).is_some());
        assert!(mark(&answer(200, "ДОСТУП ОГРАНИЧЕН", None)).is_some());
        assert_eq!(mark(&answer(200, "Welcome", None)), None);
    }

    #[test]
    fn a_strangers_text_cannot_break_out_of_its_sentence() {
        assert_eq!(quoted("a\"\u{1b}[2J\nb"), "\"a  [2J b\"");
        assert!(quoted(&"x".repeat(10_000)).chars().count() < 130);
    }
}
