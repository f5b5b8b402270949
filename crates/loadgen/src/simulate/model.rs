//! Cells × users × rooms: what a deployment of many cells has to do, as expectations. Pure; the same assumptions give the same numbers.

use serde::{Deserialize, Serialize};

use super::groups::Groups;

const SECONDS_A_DAY: f64 = 86_400.0;

/// What is assumed. Each of these can be argued with; `docs/scale.md` prints all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Assumptions {
    /// Regions, all of one size.
    pub(crate) regions: f64,
    /// People of a cell when it is full.
    pub(crate) users_a_cell: f64,
    /// Pairs in which somebody talks.
    pub(crate) pairs: f64,
    /// Groups in which somebody is.
    pub(crate) groups: f64,
    /// The median of a group's members, the standard deviation of their logarithm, and the most of them.
    pub(crate) group_median: f64,
    pub(crate) group_sigma: f64,
    pub(crate) group_largest: u32,
    /// Messages that somebody sends a day.
    pub(crate) messages: f64,
    /// The part of them that goes to pairs.
    pub(crate) in_pairs: f64,
    /// How much less somebody says in a larger group: with the size to the power of minus this.
    pub(crate) quiet: f64,
    /// The busiest second, in average ones.
    pub(crate) peak: f64,
    /// How likely somebody else of one's pair, or of one's group, lives in one's region.
    pub(crate) pair_near: f64,
    pub(crate) group_near: f64,
    /// How likely they live in one's very cell beyond what chance makes of it, if cells are chosen by whom people talk to; 0: by chance.
    pub(crate) placed_together: f64,
    /// Devices of a person that are online at the busiest time.
    pub(crate) devices_online: f64,
    /// Of how many days messages and files are on disk.
    pub(crate) kept_days: f64,
    /// Bytes on disk of a message in the cell in which it was sent, and in each other one that has it.
    pub(crate) message_bytes: f64,
    pub(crate) copy_bytes: f64,
    /// Bytes on disk of an account without its messages.
    pub(crate) account_bytes: f64,
    /// Bytes on disk of a name in the directory, on SQLite and on `PostgreSQL`.
    pub(crate) name_bytes: f64,
    pub(crate) name_bytes_postgres: f64,
    /// The part of messages with a file, and the file's bytes. It is on the disk of its sender's home and of no other cell.
    pub(crate) with_file: f64,
    pub(crate) file_bytes: f64,
    /// CPU milliseconds of a message where it is sent, and for each other cell that gets it, in both cells together.
    pub(crate) send_ms: f64,
    pub(crate) cross_ms: f64,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            regions: 8.0,
            users_a_cell: 250_000.0,
            pairs: 12.0,
            groups: 8.0,
            group_median: 10.0,
            group_sigma: 1.0,
            group_largest: 5_000,
            messages: 20.0,
            in_pairs: 0.6,
            quiet: 0.5,
            peak: 3.0,
            pair_near: 0.95,
            group_near: 0.9,
            placed_together: 0.0,
            devices_online: 0.5,
            kept_days: 365.0,
            message_bytes: 1_120.0,
            copy_bytes: 1_390.0,
            account_bytes: 30_000.0,
            name_bytes: 53.0,
            name_bytes_postgres: 104.0,
            with_file: 0.1,
            file_bytes: 300_000.0,
            send_ms: 0.2,
            cross_ms: 0.5,
        }
    }
}

/// What follows for so many people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Outcome {
    /// People.
    pub(crate) users: f64,
    /// Cells.
    pub(crate) cells: f64,
    /// Rooms.
    pub(crate) rooms: f64,
    /// Messages a second at the busiest time, in the whole deployment.
    pub(crate) messages_s: f64,
    /// Other cells that a message goes to.
    pub(crate) fan_out: f64,
    /// The same of pairs and of groups alone.
    pub(crate) fan_out_pairs: f64,
    pub(crate) fan_out_groups: f64,
    /// Messages a second that one cell sends, and that it gets from others, at the busiest time.
    pub(crate) sent_s: f64,
    pub(crate) received_s: f64,
    /// Times a second that a device is told of a message by one cell, at the busiest time.
    pub(crate) told_s: f64,
    /// CPU cores of one cell for what it sends and gets, without telling devices.
    pub(crate) cores: f64,
    /// Bytes of the whole directory, which each cell that holds it has, on SQLite and on `PostgreSQL`.
    pub(crate) directory_bytes: f64,
    pub(crate) directory_bytes_postgres: f64,
    /// Bytes of a cell: messages and accounts, and files.
    pub(crate) database_bytes: f64,
    pub(crate) file_bytes: f64,
}

/// Other cells that have somebody of a room of `members`, one of whom is at home in a region of `near` cells of `all`.
fn others(members: f64, is_near: f64, together: f64, near: f64, all: f64) -> f64 {
    let rest = members - 1.0;
    let missed = |chance: f64| 1.0 - (1.0 - chance).powf(rest);
    let apart = is_near * (1.0 - together);
    let in_region = if near > 1.0 { (near - 1.0) * missed(apart / near) } else { 0.0 };
    let elsewhere = all - near;
    let beyond = if elsewhere > 0.0 { elsewhere * missed((1.0 - is_near) / elsewhere) } else { 0.0 };
    in_region + beyond
}

/// Computes what follows for so many people.
pub(crate) fn outcome(assumed: &Assumptions, users: f64) -> Outcome {
    let groups = Groups::new(assumed.group_median, assumed.group_sigma, assumed.group_largest);
    let near = (users / assumed.regions / assumed.users_a_cell).ceil().max(1.0);
    let cells = near * assumed.regions;
    let other_cells = |members: f64, is_near: f64| others(members, is_near, assumed.placed_together, near, cells);

    // A group of n has n people in it, who each say n^-quiet as much as in the smallest: so much of all that is said is said there.
    let said = |size: u32| f64::from(size).powf(1.0 - assumed.quiet);
    let of_all = groups.mean(said);
    let weighed = |of: &dyn Fn(f64) -> f64| groups.mean(|size| said(size) * of(f64::from(size))) / of_all;
    let fan_out_pairs = other_cells(2.0, assumed.pair_near);
    let fan_out_groups = weighed(&|size| other_cells(size, assumed.group_near));
    let in_groups = 1.0 - assumed.in_pairs;
    let fan_out = assumed.in_pairs * fan_out_pairs + in_groups * fan_out_groups;
    let readers = assumed.in_pairs + in_groups * weighed(&|size| size - 1.0);

    let a_day = users * assumed.messages;
    let messages_s = a_day / SECONDS_A_DAY * assumed.peak;
    let (sent_s, received_s) = (messages_s / cells, messages_s * fan_out / cells);
    let kept = a_day * assumed.kept_days / cells;
    Outcome {
        users,
        cells,
        rooms: users * assumed.pairs / 2.0 + users * assumed.groups / groups.mean(f64::from),
        messages_s,
        fan_out,
        fan_out_pairs,
        fan_out_groups,
        sent_s,
        received_s,
        told_s: messages_s * readers * assumed.devices_online / cells,
        // What crosses costs both ends: a cell is one end of as much as it sends and of as much as it gets.
        cores: (sent_s * assumed.send_ms + received_s * assumed.cross_ms) / 1_000.0,
        directory_bytes: users * assumed.name_bytes,
        directory_bytes_postgres: users * assumed.name_bytes_postgres,
        database_bytes: kept * (assumed.message_bytes + fan_out * assumed.copy_bytes)
            + users / cells * assumed.account_bytes,
        file_bytes: kept * assumed.with_file * assumed.file_bytes,
    }
}

/// The sizes of groups that the assumptions make: mean, median, and what 99 of 100 do not exceed.
pub(crate) fn sizes(assumed: &Assumptions) -> (f64, u32, u32) {
    let groups = Groups::new(assumed.group_median, assumed.group_sigma, assumed.group_largest);
    (groups.mean(f64::from), groups.quantile(0.5), groups.quantile(0.99))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, other: f64, by: f64) -> bool {
        (one - other).abs() <= by * other.abs().max(1e-12)
    }

    #[test]
    fn one_cell_tells_nobody_else() {
        let alone = Assumptions { regions: 1.0, ..Assumptions::default() };
        let outcome = outcome(&alone, 100_000.0);
        assert_eq!((outcome.cells, outcome.fan_out), (1.0, 0.0));
        assert!(close(outcome.messages_s, 100_000.0 * 20.0 / 86_400.0 * 3.0, 1e-9));
        assert!(close(outcome.sent_s, outcome.messages_s, 1e-9) && outcome.received_s == 0.0);
    }

    #[test]
    fn a_room_is_in_no_more_cells_than_it_has_members_and_there_are() {
        for cells in [1.0_f64, 2.0, 8.0, 400.0] {
            for members in [2.0_f64, 3.0, 50.0, 5_000.0] {
                let others = others(members, 0.9, 0.0, cells, cells * 8.0);
                assert!(others <= (members - 1.0).min(cells * 8.0 - 1.0) + 1e-9, "{members} in {cells}: {others}");
                assert!(others >= 0.0);
            }
        }
        // With as many cells as one likes, everybody has their own.
        assert!(close(others(10.0, 0.9, 0.0, 1e6, 8e6), 9.0, 1e-3));
        // Who is placed with their people crosses less.
        assert!(others(10.0, 0.9, 0.5, 100.0, 800.0) < 0.7 * others(10.0, 0.9, 0.0, 100.0, 800.0));
    }

    /// The expectation against people who are drawn: the same rooms, cell by cell.
    #[test]
    fn drawn_rooms_give_the_same() {
        let (near, regions, is_near, members) = (4_u64, 3_u64, 0.8, 7_usize);
        let mut state = 88_172_645_463_325_252_u64;
        let mut draw = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut sum = 0_u32;
        let rounds = 40_000;
        for _ in 0..rounds {
            let mut cells = vec![draw() % near];
            for _ in 1..members {
                let here = (draw() % 1_000_000) < 800_000;
                cells.push(if here { draw() % near } else { near + draw() % (near * (regions - 1)) });
            }
            let first = cells[0];
            cells.sort_unstable();
            cells.dedup();
            sum += u32::try_from(cells.iter().filter(|cell| **cell != first).count()).unwrap();
        }
        let drawn = f64::from(sum) / f64::from(rounds);
        let expected = others(7.0, is_near, 0.0, 4.0, 12.0);
        assert!(close(drawn, expected, 0.01), "{drawn} drawn, {expected} expected");
    }

    #[test]
    fn a_thousand_times_the_people_are_a_thousand_times_the_messages_and_not_more_for_a_cell() {
        let (small, large) = (outcome(&Assumptions::default(), 1e6), outcome(&Assumptions::default(), 1e9));
        assert!(close(large.messages_s, 1_000.0 * small.messages_s, 1e-9));
        assert!(large.sent_s <= 2.1 * small.sent_s, "{large:?}");
        // A message goes to the cells of its room's members, however many cells there are.
        assert!(large.fan_out < 20.0, "{large:?}");
        let (mean, median, most) = sizes(&Assumptions::default());
        assert!(mean > f64::from(median) && f64::from(most) > mean);
    }

    #[test]
    fn messages_are_in_each_cell_of_their_room_and_files_at_home_alone() {
        let assumed = Assumptions::default();
        let whole = outcome(&assumed, 1e8);
        let said = 1e8 * 20.0 * 365.0;
        assert!(close(whole.file_bytes * whole.cells, said * 0.1 * 300_000.0, 1e-9), "{whole:?}");
        let messages = whole.database_bytes * whole.cells - 1e8 * 30_000.0;
        assert!(close(messages, said * (1_120.0 + whole.fan_out * 1_390.0), 1e-9), "{whole:?}");
    }

    /// What is said to be measured is what the documents that are named say, or near it: these are written anew more often than the model.
    #[test]
    fn what_was_measured_elsewhere_is_what_stands_there() {
        let (assumed, benchmarks) = (Assumptions::default(), include_str!("../../../../docs/benchmarks.md"));
        for (scenario, bytes) in
            [("| send, ", assumed.message_bytes), ("| between servers: 10,000 events ", assumed.copy_bytes)]
        {
            let rows = benchmarks.lines().filter(|row| row.starts_with(scenario) && row.contains("| Domicile |"));
            let encrypted = rows.filter(|row| !row.contains("not encrypted"));
            let measured: Vec<f64> =
                encrypted.filter_map(|row| row.trim_end_matches(" |").rsplit(' ').next()?.parse().ok()).collect();
            assert!(!measured.is_empty(), "{scenario}");
            assert!(measured.iter().all(|measured| close(bytes, *measured, 0.1)), "{scenario}: {bytes}, {measured:?}");
        }
        let regions = include_str!("../../../../docs/regions.md");
        let of_a_name = [
            format!("{} bytes a name on SQLite", assumed.name_bytes),
            format!("{} bytes a name at", assumed.name_bytes_postgres),
        ];
        assert!(of_a_name.iter().all(|text| regions.contains(text)), "{of_a_name:?}");
    }
}
