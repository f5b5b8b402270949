//! Runs whose time was over.

use super::*;

#[test]
fn a_run_that_was_over_says_what_it_did_not_see() {
    let mut seen = well();
    let unseen = |seen: &Measurement| {
        let beside = Control { downloads: vec![fetched(100_000); 3], ..control() };
        let verdict = judge(seen, &beside, None, &[]);
        assert_eq!(verdict.kind, Kind::Ok);
        verdict.evidence.iter().any(|sentence| sentence.contains("held back was not seen"))
    };
    assert!(!unseen(&seen), "it was not asked for");
    seen.unfinished = true;
    assert!(unseen(&seen));
    seen.downloads = vec![fetched(100_000); 3];
    assert!(!unseen(&seen));
}
