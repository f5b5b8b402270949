//! Whatever bytes come as a register of what is blocked: problems with places within it, and listings of ours only, each as told.

use domicile_residency::blocklist::{Circumstances, FORMATS, Limits, Own, Run, compare, read};

const OURS: [&str; 6] = [
    "example.org",
    "*.chat.example.net",
    "https://pages.example.com/status",
    "198.51.100.7",
    "203.0.113.0/24",
    "2001:db8:1::/48",
];

/// The first byte is the layout's number, the rest the register.
pub fn run(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else { return };
    let Ok(own) = Own::new(OURS) else { return };
    let (_, format) = FORMATS[usize::from(*first) % FORMATS.len()];
    let limits = Limits { unpacked: 1 << 20 };
    let part = read(&own, format, "part", &mut { bytes }, limits);
    let found = &part.found;
    assert!(found.entries > 0 || !found.problems.is_empty(), "nothing was read, and nothing is wrong");
    let is_packed = bytes.starts_with(&[0x1f, 0x8b]);
    for problem in &found.problems.first {
        // What is decoded as UTF-8 may have up to three bytes for one.
        assert!(is_packed || problem.place.byte <= 3 * bytes.len() as u64, "a problem behind the end: {problem}");
    }
    for (key, listing) in &found.listings {
        assert!(own.texts().contains(&key.own) && *key == listing.key, "a listing of something that is not ours");
    }
    let now = Circumstances { now_ms: i64::MAX, max_age_ms: Some(1), served_ms: None, entries_before: Some(u64::MAX) };
    let again = Run::new(vec![read(&own, format, "part", &mut { bytes }, limits)], now);
    let run = Run::new(vec![part], now);
    assert!(run == again && !run.is_whole(), "the same register is read in two ways");
    let changes = compare(&run.listings, &again, own.texts());
    assert!(changes.all.is_empty() && changes.held == 0, "the same register differs from itself");
}
