//! Charts as SVG that needs no script. What is drawn is stretched to the width there is; names and numbers stand beside it as text, so that they can
//! be read on a telephone, too.

mod lanes;
mod stacked;

pub(crate) use lanes::{Lane, Mark, lanes};
pub(crate) use stacked::{Stacked, stacked};

use maud::{Markup, html};

/// Shades that series have in a style sheet, `s0` and so on; later series begin anew.
const SHADES: usize = 8;

/// What the colours mean: class and name.
pub(crate) fn legend<'n>(entries: impl IntoIterator<Item = (String, &'n str)>) -> Markup {
    html! {
        ul.legend {
            @for (class, name) in entries { li { span class={ "swatch " (class) } {} (name) } }
        }
    }
}

/// The class of a series' colour.
pub(crate) fn shade(series: usize) -> String {
    format!("s{}", series % SHADES)
}

/// `part` of `whole` on a scale of `scale`, rounded down; numbers below 0 are 0.
fn scaled(part: i64, whole: i64, scale: i64) -> i64 {
    let (part, whole) = (i128::from(part.max(0)), i128::from(whole.max(1)));
    i64::try_from((part * i128::from(scale)) / whole).unwrap_or(scale).min(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_are_scaled() {
        assert_eq!(scaled(1, 2, 1_000), 500);
        assert_eq!(scaled(i64::MAX, i64::MAX, 1_000), 1_000);
        assert_eq!(scaled(-5, 10, 1_000), 0);
        assert_eq!(scaled(5, 0, 1_000), 1_000);
    }
}
