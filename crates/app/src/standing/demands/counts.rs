//! Counts of demands, by year and jurisdiction: what the status page shows. A year or a jurisdiction without demands is there with zeros.

use std::collections::{BTreeMap, BTreeSet};

use domicile_core::calendar::year;
use domicile_store::table::demands as rows;
use serde::Serialize;

/// Demands of one jurisdiction in one year, by when they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// All that came.
    pub received: u64,
    /// Those that wait.
    pub open: u64,
    /// Refused, or with nothing that could be given, or withdrawn.
    pub nothing_given: u64,
    /// Where a part or all was given.
    pub given: u64,
    /// How much that was, in bytes.
    pub bytes: i64,
}

/// Counts by year, then by jurisdiction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// By year, then by jurisdiction.
    pub years: BTreeMap<i64, BTreeMap<String, Count>>,
}

/// Counts demands. `here` are jurisdictions that have a row in any case; the years go from the first demand's to this one.
pub(super) fn count(
    demands: &[rows::Demand],
    given: &[(i64, String, i64)],
    here: BTreeSet<String>,
    now_ms: i64,
) -> Counts {
    let this_year = year(now_ms);
    let first = demands.iter().map(|demand| year(demand.received_ts)).min().unwrap_or(this_year).min(this_year);
    // Nobody has demands of a century; a wrong date must not make a page of it.
    let first = first.max(this_year - 50);
    let mut codes = here;
    codes.extend(demands.iter().map(|demand| demand.code.clone()));
    let empty: BTreeMap<String, Count> = codes.into_iter().map(|code| (code, Count::default())).collect();
    let mut years: BTreeMap<i64, BTreeMap<String, Count>> =
        (first..=this_year).map(|year| (year, empty.clone())).collect();
    for demand in demands {
        let year = year(demand.received_ts).clamp(first, this_year);
        let Some(count) = years.get_mut(&year).and_then(|year| year.get_mut(&demand.code)) else { continue };
        count.received += 1;
        match demand.state.as_str() {
            "open" => count.open += 1,
            "complied" | "partly" => count.given += 1,
            _ => count.nothing_given += 1,
        }
        let bytes = given.iter().filter(|(number, ..)| *number == demand.demand_num).map(|(.., bytes)| bytes);
        count.bytes += bytes.sum::<i64>();
    }
    Counts { years }
}

#[cfg(test)]
mod tests {
    use domicile_core::calendar::parse_day;

    use super::*;

    fn demand(demand_num: i64, code: &str, day: &str, state: &str) -> rows::Demand {
        rows::Demand {
            demand_num,
            code: code.to_owned(),
            duty: None,
            received_ts: parse_day(day).unwrap(),
            due_ts: None,
            state: state.to_owned(),
            answered_ts: None,
            sealed: bytes::Bytes::new(),
        }
    }

    #[test]
    fn zeros_are_counted_too() {
        let demands = [
            demand(1, "RU", "2024-05-01", "refused"),
            demand(2, "EU", "2026-01-02", "partly"),
            demand(3, "EU", "2026-01-03", "open"),
        ];
        let given = [(2, "account".to_owned(), 120), (2, "contact".to_owned(), 30)];
        let now = parse_day("2026-11-28").unwrap();
        let counts = count(&demands, &given, ["EU".to_owned(), "TR".to_owned()].into(), now);
        let years: Vec<i64> = counts.years.keys().copied().collect();
        assert_eq!(years, [2024, 2025, 2026]);
        for year in counts.years.values() {
            assert_eq!(year.keys().map(String::as_str).collect::<Vec<_>>(), ["EU", "RU", "TR"]);
        }
        assert_eq!(counts.years[&2024]["RU"], Count { received: 1, nothing_given: 1, ..Count::default() });
        assert_eq!(counts.years[&2025]["RU"], Count::default());
        assert_eq!(counts.years[&2026]["EU"], Count { received: 2, open: 1, given: 1, bytes: 150, ..Count::default() });
    }

    #[test]
    fn without_demands_this_year_says_so() {
        let counts = count(&[], &[], ["EU".to_owned()].into(), parse_day("2026-11-28").unwrap());
        assert_eq!(counts.years[&2026]["EU"], Count::default());
        assert_eq!(counts.years.len(), 1);
    }
}
