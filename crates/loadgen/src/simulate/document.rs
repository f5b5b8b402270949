//! `docs/scale.md`: the assumptions, what follows, and the model beside what was measured.

use std::fmt::Write as _;

use super::{
    measured::{Measured, Run},
    model::{self, Assumptions, Outcome},
};

const PEOPLE: [f64; 3] = [1e6, 1e8, 1e9];

/// The whole document.
pub(crate) fn write(assumed: &Assumptions, measured: &Measured) -> String {
    let mut out = String::from(HEAD);
    assumptions(&mut out, assumed);
    out.push_str(
        "\n## What follows\n\nPeople are given to the emptiest cell of their region, whoever they talk to:\n\n",
    );
    table(&mut out, &PEOPLE.map(|people| model::outcome(assumed, people)));
    out.push_str(
        "\nIf half of the people whom somebody talks to in their region are put into the same cell (which nothing here does by itself):\n\n",
    );
    let together = Assumptions { placed_together: 0.5, ..assumed.clone() };
    table(&mut out, &PEOPLE.map(|people| model::outcome(&together, people)));
    out.push_str(MEANING);
    check(&mut out, assumed, measured);
    out
}

fn assumptions(out: &mut String, assumed: &Assumptions) {
    let (mean, median, most) = model::sizes(assumed);
    let percent = |part: f64| format!("{:.0} %", part * 100.0);
    let rows = [
        ("regions of one size", format!("{:.0}", assumed.regions), "assumed"),
        ("people of a cell when it is full", number(assumed.users_a_cell), "chosen"),
        ("pairs in which somebody talks", number(assumed.pairs), "assumed"),
        ("groups in which somebody is", number(assumed.groups), "assumed; their number is exponential [2]"),
        (
            "members of a group",
            format!(
                "log-normal: median {median}, mean {mean:.1}, 99 % have at most {most}, none more than {}",
                number(f64::from(assumed.group_largest))
            ),
            "the form: [1]; median 10 and σ 1 of the whole curve are assumed",
        ),
        ("messages that somebody sends a day", number(assumed.messages), "assumed"),
        ("of these in pairs", percent(assumed.in_pairs), "assumed"),
        ("somebody says less in a larger group, by its size to the power of", format!("−{}", assumed.quiet), "assumed"),
        ("the busiest second, in average ones", number(assumed.peak), "assumed"),
        ("the other one of a pair lives in one's region", percent(assumed.pair_near), "assumed"),
        ("somebody else of a group does", percent(assumed.group_near), "assumed"),
        ("devices of a person that are online then", format!("{}", assumed.devices_online), "assumed"),
        (
            "messages and files are on disk of",
            format!("{:.0} days", assumed.kept_days),
            "chosen; nothing removes older ones by itself",
        ),
        (
            "bytes of a message in the cell in which it was sent",
            number(assumed.message_bytes),
            "measured: [benchmarks.md](benchmarks.md), sending to encrypted rooms",
        ),
        (
            "… in each other cell that has it",
            number(assumed.copy_bytes),
            "measured of events that come from other servers ([benchmarks.md](benchmarks.md)), not of those from other cells",
        ),
        ("bytes of an account beside its messages", number(assumed.account_bytes), "assumed"),
        (
            "bytes of a name in the directory",
            format!("{} on SQLite, {} on PostgreSQL", number(assumed.name_bytes), number(assumed.name_bytes_postgres)),
            "measured of 10,000,000 names at a cell that follows: [regions.md](regions.md)",
        ),
        (
            "files",
            format!(
                "{} of messages have one of {} kB",
                percent(assumed.with_file),
                number(assumed.file_bytes / 1_000.0)
            ),
            "assumed; each is at its sender's home alone",
        ),
        (
            "CPU of a message, and of each crossing in both cells together",
            format!("{:.2} ms, {:.2} ms", assumed.send_ms, assumed.cross_ms),
            "measured, see below",
        ),
    ];
    out.push_str("| what | value | where from |\n| --- | --- | --- |\n");
    for (what, value, from) in rows {
        let _ = writeln!(out, "| {what} | {value} | {from} |");
    }
}

fn table(out: &mut String, outcomes: &[Outcome]) {
    let _ = write!(out, "| |");
    for outcome in outcomes {
        let _ = write!(out, " {} people |", people(outcome.users));
    }
    out.push_str("\n| --- |");
    out.push_str(&" ---: |".repeat(outcomes.len()));
    out.push('\n');
    let mut row = |what: &str, of: &dyn Fn(&Outcome) -> String| {
        let _ = write!(out, "| {what} |");
        for outcome in outcomes {
            let _ = write!(out, " {} |", of(outcome));
        }
        out.push('\n');
    };
    row("cells", &|one| number(one.cells));
    row("rooms", &|one| people(one.rooms));
    row("messages a second, in all", &|one| number(one.messages_s));
    row("other cells that a message goes to", &|one| format!("{:.2}", one.fan_out));
    row("… of a pair", &|one| format!("{:.2}", one.fan_out_pairs));
    row("… of a group", &|one| format!("{:.2}", one.fan_out_groups));
    row("a cell sends, a second", &|one| number(one.sent_s));
    row("a cell gets from others, a second", &|one| number(one.received_s));
    row("a cell tells devices, a second", &|one| number(one.told_s));
    row("CPU cores of a cell for messages, without telling devices", &|one| format!("{:.2}", one.cores));
    row("directory, at each cell that holds it, on SQLite", &|one| bytes(one.directory_bytes));
    row("… on PostgreSQL", &|one| bytes(one.directory_bytes_postgres));
    row("database of a cell", &|one| bytes(one.database_bytes));
    row("files of a cell", &|one| bytes(one.file_bytes));
}

fn check(out: &mut String, assumed: &Assumptions, measured: &Measured) {
    let Some((send, cross)) = measured.fitted() else {
        out.push_str("\nNothing has been measured yet: `loadgen cells` does.\n");
        return;
    };
    let _ = write!(
        out,
        "\n## The model beside real cells\n\n`loadgen cells` on {}: {}\n\nEach run has a room of one person of each cell, who say {} messages in all, in turn and {} a second; a run \
         is over when every cell has every message; of several runs the median counts. The cells share the machine's cores, so what is compared is not their speed but the CPU time of all \
         cells for a message, without what they use when nobody says anything. The cost of sending ({send:.2} ms) and of a crossing ({cross:.2} ms, both ends) follow from the runs of 1 and 2 cells; the \
         others are what the model says of them. Then the same people say as much again, each as fast as they are answered: where everybody talks at once, messages are told many at a time, which \
         saves work, and follow several others, whose branches have to be put in order, which makes some.\n\n",
        measured.date,
        measured.machine,
        number(measured.messages),
        number(measured.pace)
    );
    out.push_str(
        "| cells | CPU ms of a message, measured | the model | off by | as fast as they can | messages a second then |\n| ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for run in &measured.runs {
        let Run { cells, cpu_ms, busy_cpu_ms, per_second } = run;
        let said = send + (cells - 1.0) * cross;
        let off = (said / cpu_ms - 1.0) * 100.0;
        let busy = number(*busy_cpu_ms);
        let _ = writeln!(out, "| {cells} | {cpu_ms:.2} | {said:.2} | {off:+.0} % | {busy} | {} |", number(*per_second));
    }
    let between = PEOPLE.map(|people| {
        let outcome = model::outcome(assumed, people);
        number(outcome.received_s / (outcome.cells - 1.0))
    });
    let _ = write!(
        out,
        "\nWhat a crossing costs depends on how many messages are told at once. In these runs each of two cells tells the other {} a second, so there is little to tell together; by the first table above \
         it is {} a second with 1 million people, {} with 100 million and {} with 1 billion, so that cost is the one to reckon with. Where one cell tells another a thousand a second, it is a \
         third or less: [regions.md](regions.md).\n",
        number(measured.pace / 2.0),
        between[0],
        between[1],
        between[2],
    );
}

/// A number as a person reads it: three places that count, thousands apart.
fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 10.0 {
        let text = format!("{value:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{:.0}", rounded(value));
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// To three places that count, if it has more.
fn rounded(value: f64) -> f64 {
    if value < 1_000.0 {
        return value.round();
    }
    let unit = 10_f64.powf((value.log10().floor() - 2.0).max(0.0));
    (value / unit).round() * unit
}

fn people(count: f64) -> String {
    for (unit, name) in [(1e9, "billion"), (1e6, "million")] {
        if count >= unit {
            return format!("{} {name}", number(count / unit));
        }
    }
    number(count)
}

fn bytes(count: f64) -> String {
    for (unit, name) in [(1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB")] {
        if count >= unit {
            return format!("{} {name}", number(count / unit));
        }
    }
    format!("{} kB", number(count / 1e3))
}

const HEAD: &str = "# How far it goes

What a deployment of very many people would have to do, cell by cell. `loadgen simulate --write docs/scale.md` writes this page from a model
(`crates/loadgen/src/simulate/`): expectations of a distribution, not a program that was run with a billion people. It says what the design makes
grow and what not, and is as good as its assumptions:

";

const MEANING: &str = "
- **A cell's work does not grow with the deployment** but with how many cells its people's rooms lie in, and these are at most as many as the rooms have
  members. That is the price of cells that nobody chooses: with many of them nearly each member of a group is in another one, so a message is kept
  nearly as often as there are members. Whoever places people by whom they talk to pays less; nothing here does so by itself, since it
  would have to look at who talks to whom.
- **The directory does.** One cell decides on all names, and each cell that holds the directory has the whole log. A name is taken once in an account's
  life, so it is the size that bounds it and not its speed. A cell that holds nothing of it follows a million names in 37 s on SQLite and in 59 s on
  PostgreSQL, in a debug build ([regions.md](regions.md)): a billion would take it 10 or 16 hours if that went on so, which nobody has tried beyond ten million.
- The number of cells is not what bounds the inner link, but that of the cells with which one cell talks: with a million people all of them, with
  a billion nearly as many as there are cells, each with a connection and a place in the queue. The deployment document names every cell, so a
  thousand of them are some hundred kilobytes that every cell reads at its start.
- Files are what fills disks: there is no object store for them yet, so they are on the disk of their sender's home. They are on no other, so each time
  somebody elsewhere fetches one it crosses anew; how often that is, the model does not say.

[1] A. Vranić, J. Smiljanić, M. Mitrović Dankulov: *Universal growth of social groups: empirical analysis and modeling*, J. Stat. Mech. 2022, 123402,
[arXiv:2206.06732](https://arxiv.org/abs/2206.06732): sizes of groups are log-normal (Meetup, Reddit).

[2] R. Corten et al.: *Assessing mobile instant messenger networks with donated data*, Social Network Analysis and Mining 2025,
[doi:10.1007/s13278-025-01550-8](https://doi.org/10.1007/s13278-025-01550-8): of a national sample of WhatsApp's users, contacts are log-normal and groups of a
person exponential. How large private groups are, nobody has published as far as we know.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(
            [0.5, 12.0, 1_234.0, 231_481.0, 0.0, 999.6].map(number),
            ["0.5", "12", "1,230", "231,000", "0", "1,000"]
        );
        assert_eq!(
            (people(1e9), people(6.5e6), bytes(2.5e13), bytes(9e3)),
            ("1 billion".into(), "6.5 million".into(), "25 TB".into(), "9 kB".into())
        );
    }

    #[test]
    fn the_document_is_what_the_model_makes_of_it() {
        let written = include_str!("../../../../docs/scale.md");
        let measured = Measured::embedded();
        assert_eq!(written, write(&measured.assumed(), &measured), "run `loadgen simulate --write docs/scale.md`");
    }
}
