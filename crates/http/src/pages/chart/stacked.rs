//! Bars by day, each of several series on top of each other.

use domicile_core::{calendar::day, clock::DAY_MS};
use maud::{Markup, html};

use super::{legend, scaled, shade};

/// The height of the drawing; the width of a day is [`DAY`].
const HEIGHT: i64 = 1_000;
const DAY: i64 = 10;

/// Sums by day and series.
#[derive(Clone, Debug)]
pub(crate) struct Stacked {
    /// What it shows, in a few words.
    pub(crate) title: String,
    /// The first day, counted from the epoch.
    pub(crate) first: i64,
    /// The names of the series.
    pub(crate) series: Vec<String>,
    /// A row for each day, with a number for each series.
    pub(crate) days: Vec<Vec<i64>>,
    /// A number as people read it.
    pub(crate) number: fn(i64) -> String,
}

impl Stacked {
    fn date(&self, index: usize) -> String {
        day((self.first + i64::try_from(index).unwrap_or_default()) * DAY_MS)
    }
}

fn sum(row: &[i64]) -> i64 {
    row.iter().fold(0, |sum, number| sum.saturating_add(*number))
}

/// The chart.
pub(crate) fn stacked(chart: &Stacked) -> Markup {
    let most = chart.days.iter().map(|row| sum(row)).max().unwrap_or_default();
    let width = i64::try_from(chart.days.len()).unwrap_or_default().max(1) * DAY;
    html! {
        figure.chart {
            figcaption { (chart.title) }
            @if most == 0 {
                p.soft { "Nothing in these days." }
            } @else {
                div.plot {
                    div.scale aria-hidden="true" { span { ((chart.number)(most)) } span { ((chart.number)(most / 2)) } span { "0" } }
                    svg viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(chart.title) {
                        line.grid x1="0" y1=(HEIGHT / 2) x2=(width) y2=(HEIGHT / 2) {}
                        @for (index, row) in chart.days.iter().enumerate() { (bar(chart, index, row, most)) }
                    }
                }
                div.axis { span { (chart.date(0)) } span { (chart.date(chart.days.len().saturating_sub(1))) } }
            }
            (legend(chart.series.iter().enumerate().map(|(index, name)| (shade(index), name.as_str()))))
        }
    }
}

fn bar(chart: &Stacked, index: usize, row: &[i64], most: i64) -> Markup {
    let x = i64::try_from(index).unwrap_or_default() * DAY + 1;
    let mut below = 0_i64;
    let mut parts = Vec::new();
    for (series, number) in row.iter().enumerate() {
        let from = scaled(below, most, HEIGHT);
        below = below.saturating_add((*number).max(0));
        let upto = scaled(below, most, HEIGHT);
        if upto > from {
            let name = chart.series.get(series).map(String::as_str).unwrap_or_default();
            parts.push((shade(series), HEIGHT - upto, upto - from, name, (chart.number)(*number)));
        }
    }
    html! {
        @for (shade, y, height, name, number) in parts {
            rect class=(shade) x=(x) y=(y) width=(DAY - 2) height=(height) {
                title { (chart.date(index)) ", " (name) ": " (number) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(days: Vec<Vec<i64>>) -> String {
        let series = vec!["events".to_owned(), "<b>&\"".to_owned()];
        let chart = Stacked {
            title: "What <i>crossed".to_owned(),
            first: 20_000,
            series,
            days,
            number: |number| number.to_string(),
        };
        stacked(&chart).into_string()
    }

    #[test]
    fn bars_stand_on_each_other() {
        let drawn = chart(vec![vec![1, 3], vec![0, 0], vec![2, 0]]);
        assert!(drawn.contains("<rect class=\"s0\" x=\"1\" y=\"750\" width=\"8\" height=\"250\">"), "{drawn}");
        assert!(drawn.contains("<rect class=\"s1\" x=\"1\" y=\"0\" width=\"8\" height=\"750\">"), "{drawn}");
        assert_eq!(drawn.matches("<rect").count(), 3);
        assert!(drawn.contains("2024-10-04") && drawn.contains("2024-10-06"), "{drawn}");
    }

    #[test]
    fn no_name_is_markup_and_no_number_is_too_large() {
        let drawn = chart(vec![vec![i64::MAX, i64::MAX], vec![-1, 5]]);
        assert!(!drawn.contains("<b>") && !drawn.contains("<i>"), "{drawn}");
        assert!(chart(Vec::new()).contains("Nothing in these days"));
    }
}
