//! What is different between two looks at a register.

use std::collections::BTreeMap;

use domicile_residency::blocklist::{Change, Circumstances, Format, Listing, Run, Warning, compare};

use crate::part;

fn run(text: &str, circumstances: Circumstances) -> Run {
    Run::new(vec![part(Format::RuCsv, text.as_bytes())], circumstances)
}

const NOW: Circumstances =
    Circumstances { now_ms: 1_795_820_000_000, max_age_ms: Some(86_400_000), served_ms: None, entries_before: None };

#[test]
fn what_is_different() {
    let first = run(CSV, NOW);
    assert!(first.is_whole(), "{:?}", first.warnings);
    let own = ours();
    let appeared = compare(&BTreeMap::default(), &first, own.texts());
    assert_eq!(appeared.all.len(), 12);
    assert!(appeared.all.iter().all(|change| matches!(change, Change::Appeared(_))));
    // Moved about, one changed, one gone.
    let mut lines: Vec<&str> = CSV.lines().collect();
    lines[1..].reverse();
    let text = lines
        .join("\n")
        .replace("27-31-2020/Ид2971-18;2026-11-22", "27-31-2020/Ид2971-18;2026-11-25")
        .replace(";*.example.org;", ";;")
        + "\n";
    let second = run(&text, NOW);
    let changes = compare(&first.listings, &second, own.texts());
    let kinds: Vec<&str> = changes
        .all
        .iter()
        .map(|change| match change {
            Change::Changed { before, now }
                if (before.date.as_str(), now.date.as_str()) == ("2026-11-22", "2026-11-25") =>
            {
                "changed"
            }
            Change::Disappeared(listing) if listing.key.matched == "*.example.org" => "disappeared",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((kinds, changes.held), (vec!["disappeared", "disappeared", "changed"], 0));
    // What is ours no more is forgotten, not reported as gone.
    let fewer =
        compare(&first.listings, &run("Updated: 2026-11-27 21:05:00 +0000\n;a.example;;x;1;2026-11-24\n", NOW), &[]);
    assert!(fewer.all.iter().all(|change| matches!(change, Change::Forgotten(_))));
}

#[test]
fn a_register_that_is_not_whole_clears_nobody() {
    let known = run(CSV, NOW).listings;
    let good = "Updated: 2026-11-27 21:05:00 +0000\n;a.example;;x;1;2026-11-24\n";
    let own = ours();
    assert_eq!(compare(&known, &run(good, NOW), own.texts()).all.len(), 12);
    let day = 86_400_000;
    for (text, circumstances, word) in [
        (format!("{good};b.exa"), NOW, "damaged"),
        (good.to_owned(), Circumstances { now_ms: NOW.now_ms + 2 * day, ..NOW }, "stale"),
        (good.replace("2026-11-27", "2038-01-20"), NOW, "ahead"),
        (good.to_owned(), Circumstances { entries_before: Some(1_000), ..NOW }, "shrunk"),
        (
            good.replace("Updated: 2026-11-27 21:05:00 +0000\n", ""),
            Circumstances { served_ms: Some(0), ..NOW },
            "stale",
        ),
    ] {
        let run = run(&text, circumstances);
        let words: Vec<&str> = run.warnings.iter().map(Warning::word).collect();
        assert_eq!(words, [word]);
        let changes = compare(&known, &run, own.texts());
        assert_eq!((changes.all, changes.held), (vec![], 12), "{word}");
    }
}
