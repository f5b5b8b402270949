//! Why the answer to a duty is what it is, in a sentence for people.

use domicile_core::calendar::day;
use domicile_residency::standing::{Answer, evaluate::Untriggered, words::Counted};

/// The sentence.
pub(super) fn reason(answer: &Answer) -> String {
    match answer {
        Answer::NotTriggered(because) => untriggered(because),
        Answer::MetBy { check, evidence } => format!("{}: {evidence}", check.about()),
        Answer::NeedsOperator { what } => what.clone(),
        Answer::ChosenNotTo { who, when_ts, why } => format!("{who}, {}: {why}", day(*when_ts)),
        Answer::ConflictsWith { with, how } => format!("with {with}: {how}"),
        Answer::DeclinedByDesign { .. } => {
            "always, whatever is asked; the duty's own page has the words for it".to_owned()
        }
    }
}

fn untriggered(because: &Untriggered) -> String {
    match because {
        Untriggered::BelowThreshold { threshold, counted, ours, unknown, short_by } => {
            let counted = match counted {
                Counted::Registered => "",
                Counted::Yearly => "a year's ",
                Counted::Daily | Counted::Monthly => counted.word(),
            };
            let space = if matches!(counted, "daily" | "monthly") { " " } else { "" };
            let also =
                if *unknown > 0 { format!(" (and {} nobody knows of)", number(*unknown)) } else { String::new() };
            let (ours, threshold, short) = (number(*ours), number(*threshold), number(*short_by));
            format!("{ours}{also} of {threshold} {counted}{space}users: short by {short}")
        }
        Untriggered::NoUsers { unknown: 0 } => "nobody lives there".to_owned(),
        Untriggered::NoUsers { unknown } => {
            format!("nobody is noted as living there (of {} nothing is noted)", number(*unknown))
        }
        Untriggered::OtherService { services } => {
            let services: Vec<&str> = services.iter().map(|service| service.word()).collect();
            format!("it is for services with {}, and this is none", services.join(", ").replace('_', " "))
        }
        Untriggered::Exempt { audience } => format!("it does not concern a service for a {}", audience.word()),
        Untriggered::NobodyAsked => "it applies once an authority asks, and none has".to_owned(),
        Untriggered::Established => "it is for those without an establishment there".to_owned(),
        Untriggered::NotCritical => "it is for operators of critical infrastructure".to_owned(),
    }
}

/// A number with its thousands apart.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_by_how_far() {
        let below = |counted, unknown| {
            let because = Untriggered::BelowThreshold {
                threshold: 500_000,
                counted,
                ours: 12,
                unknown,
                short_by: 499_988 - unknown,
            };
            reason(&Answer::NotTriggered(because))
        };
        assert_eq!(below(Counted::Daily, 0), "12 of 500,000 daily users: short by 499,988");
        assert_eq!(
            below(Counted::Registered, 1_000),
            "12 (and 1,000 nobody knows of) of 500,000 users: short by 498,988"
        );
        assert_eq!(below(Counted::Yearly, 0), "12 of 500,000 a year's users: short by 499,988");
        assert_eq!(reason(&Answer::NotTriggered(Untriggered::NoUsers { unknown: 0 })), "nobody lives there");
    }
}
