//! Lanes: what was the matter with each of several things, over one time.

use domicile_core::calendar::minute;
use maud::{Markup, html};

use super::scaled;

/// The width of the drawing.
const WIDTH: i64 = 1_000;
/// The least width of a mark, so that it can be seen.
const LEAST: i64 = 4;

/// One thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lane {
    /// What it is.
    pub(crate) name: String,
    /// More about it.
    pub(crate) about: String,
    /// What was the matter, and when.
    pub(crate) marks: Vec<Mark>,
}

/// What was the matter for a time. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// From when.
    pub(crate) from: i64,
    /// Until when.
    pub(crate) upto: i64,
    /// Its colour.
    pub(crate) class: &'static str,
    /// What it was.
    pub(crate) title: String,
}

/// The chart, from a time to another.
pub(crate) fn lanes(title: &str, lanes: &[Lane], (first, last): (i64, i64)) -> Markup {
    let whole = last.saturating_sub(first).max(1);
    html! {
        figure.chart {
            figcaption { (title) }
            div.lanes {
                @for lane in lanes {
                    div.lane {
                        p { b { (lane.name) } " " span.soft { (lane.about) } }
                        svg viewBox={ "0 0 " (WIDTH) " 10" } preserveAspectRatio="none" role="img" aria-label={ (lane.name) ": " (said(lane)) } {
                            rect.track x="0" y="0" width=(WIDTH) height="10" {}
                            @for mark in &lane.marks {
                                @let from = scaled(mark.from.saturating_sub(first), whole, WIDTH - LEAST);
                                @let upto = scaled(mark.upto.saturating_sub(first), whole, WIDTH).max(from + LEAST);
                                rect class=(mark.class) x=(from) y="0" width=(upto - from) height="10" { title { (mark.title) } }
                            }
                        }
                    }
                }
            }
            div.axis { span { (minute(first)) } span { (minute(last)) } }
        }
    }
}

/// The last of a lane, for those who do not see it.
fn said(lane: &Lane) -> &str {
    lane.marks.last().map_or("nothing", |mark| mark.title.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_where_they_were() {
        let mark = |from, upto| Mark { from, upto, class: "bad", title: "<script>".to_owned() };
        let lane = Lane {
            name: "chat.example.org".to_owned(),
            about: String::new(),
            marks: vec![mark(0, 500), mark(1_000, 1_000), mark(i64::MIN, i64::MAX)],
        };
        let drawn = lanes("Names", &[lane], (0, 1_000)).into_string();
        assert!(drawn.contains("class=\"bad\" x=\"0\" y=\"0\" width=\"500\""), "{drawn}");
        assert!(drawn.contains("class=\"bad\" x=\"996\" y=\"0\" width=\"4\""), "{drawn}");
        assert!(drawn.contains("class=\"bad\" x=\"0\" y=\"0\" width=\"1000\""), "{drawn}");
        assert!(!drawn.contains("<script>"));
    }
}
