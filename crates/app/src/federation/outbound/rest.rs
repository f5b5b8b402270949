//! How long to leave a destination alone that was not reached.

use domicile_core::{
    clock::{DAY_MS, SECOND_MS},
    locality::Destination,
    rng::{self, Rng},
};

/// The rest after the first failure, and the longest. A server that is started again is away for some seconds, and one that is no more has as many
/// attempts in its first minutes as this has doublings.
const FIRST_MS: i64 = 5 * SECOND_MS;
const LONGEST_MS: i64 = DAY_MS;
/// The same of a cell: there are few of them, all are the deployment's own, and when a border opens people wait on both sides of it.
const FIRST_OF_CELL_MS: i64 = SECOND_MS;
const LONGEST_OF_CELL_MS: i64 = 30 * SECOND_MS;
/// The rest of a destination that has too much to do and does not tell for how long.
const BUSY_MS: i64 = 10 * SECOND_MS;

/// The rest after so many failures in a row: twice as long each time, a fifth more or less, so that those which went together do not all come back
/// together.
pub(super) fn after_failures(destination: &Destination, failures: i64, rng: &dyn Rng) -> i64 {
    let (first, longest) = match destination {
        Destination::Cell(_) => (FIRST_OF_CELL_MS, LONGEST_OF_CELL_MS),
        Destination::Server(_) => (FIRST_MS, LONGEST_MS),
    };
    let doublings = u32::try_from((failures - 1).clamp(0, 20)).unwrap_or(20);
    let rest = first.saturating_mul(1_i64 << doublings).min(longest);
    let [byte] = rng::bytes::<1>(rng);
    (rest * 4 / 5 + rest * 2 / 5 * i64::from(byte) / 255).min(longest)
}

/// The rest that a destination asks for; never so short that it is asked again at once, nor longer than after failures.
pub(super) fn as_told(retry_after_ms: Option<i64>) -> i64 {
    retry_after_ms.unwrap_or(BUSY_MS).clamp(SECOND_MS, LONGEST_MS)
}

/// How long after an attempt a destination may be tried again because it was heard from: it may well ask us, and not be reached.
pub(super) const HEARD_MS: i64 = 5 * SECOND_MS;

#[cfg(test)]
mod tests {
    use domicile_core::{clock::HOUR_MS, locality::CellName, rng::SeededRng};
    use ruma::server_name;

    use super::*;

    #[test]
    fn rests_grow_to_a_day_and_differ() {
        let rng = SeededRng::new(7);
        let server = Destination::Server(server_name!("example.org").to_owned());
        let mut rests: Vec<i64> = (0..50).map(|_| after_failures(&server, 1, &rng)).collect();
        assert!(rests.iter().all(|rest| (4_000..=6_000).contains(rest)), "{rests:?}");
        rests.dedup();
        assert!(rests.len() > 10, "{rests:?}");
        assert!((32..=48).contains(&(after_failures(&server, 4, &rng) / SECOND_MS)));
        for failures in [16, 40, i64::MAX] {
            assert!((19 * HOUR_MS..=DAY_MS).contains(&after_failures(&server, failures, &rng)), "{failures}");
        }
        assert_eq!((as_told(Some(0)), as_told(None), as_told(Some(i64::MAX))), (SECOND_MS, BUSY_MS, DAY_MS));
    }

    #[test]
    fn a_cell_is_tried_again_within_half_a_minute() {
        let (rng, cell) = (SeededRng::new(7), Destination::Cell(CellName::parse("eu1").unwrap()));
        assert!((800..=1_200).contains(&after_failures(&cell, 1, &rng)));
        for failures in [6, 40, i64::MAX] {
            assert!((24_000..=30_000).contains(&after_failures(&cell, failures, &rng)), "{failures}");
        }
    }
}
