//! The link with which somebody signs in, and its QR code for a telephone.

use std::{fmt::Write as _, io::IsTerminal as _};

use qrcode::{
    QrCode,
    render::{svg, unicode},
};
use serde_json::Value;

use super::say;

/// Pixels of a side of the picture, at least.
const SIDE: u32 = 240;
/// Black on white, whatever colours the terminal has; and what ends that.
const COLOURS: &str = "\x1b[38;5;16m\x1b[48;5;231m";
const PLAIN: &str = "\x1b[0m";

/// An answer for programs: the QR code of its link is a picture in SVG.
pub(super) fn with_picture(mut answer: Value) -> Value {
    let picture = answer["sign_in_link"].as_str().and_then(picture);
    answer["sign_in_qr"] = picture.into();
    answer
}

/// Shows the link, and on a terminal its QR code.
pub(super) fn tell(answer: &Value) -> anyhow::Result<()> {
    let Some(link) = answer["sign_in_link"].as_str() else {
        return say("With `server.public_url` in the configuration, a link to sign in is printed here, too.");
    };
    say(&format!("To sign in: {link}"))?;
    match drawn(link).filter(|_| std::io::stdout().is_terminal()) {
        Some(drawn) => say(&drawn),
        None => Ok(()),
    }
}

fn picture(link: &str) -> Option<String> {
    let code = QrCode::new(link).ok()?;
    let (dark, light) = (svg::Color("#000000"), svg::Color("#ffffff"));
    Some(code.render::<svg::Color<'_>>().min_dimensions(SIDE, SIDE).dark_color(dark).light_color(light).build())
}

/// Two modules in each letter, one above the other.
fn drawn(link: &str) -> Option<String> {
    let code = QrCode::new(link).ok()?;
    let text = code.render::<unicode::Dense1x2>().quiet_zone(true).build();
    let mut drawn = String::with_capacity(text.len() * 2);
    for line in text.lines() {
        // Writing to a String cannot fail.
        let _ = writeln!(drawn, "{COLOURS}{line}{PLAIN}");
    }
    Some(drawn)
}

#[cfg(test)]
mod tests {
    use qrcode::Color;

    use super::*;

    #[test]
    fn what_is_drawn_is_the_code() {
        let link = "https://north.chat.example.org/sign-in?name=alice";
        let code = QrCode::new(link).unwrap();
        let drawn = drawn(link).unwrap();
        let mut rows = Vec::new();
        for line in drawn.lines() {
            let line = line.strip_prefix(COLOURS).unwrap().strip_suffix(PLAIN).unwrap();
            let upper: Vec<bool> = line.chars().map(|letter| matches!(letter, '▀' | '█')).collect();
            let lower: Vec<bool> = line.chars().map(|letter| matches!(letter, '▄' | '█')).collect();
            assert!(line.chars().all(|letter| " ▀▄█".contains(letter)), "{line}");
            rows.extend([upper, lower]);
        }
        // A margin of four on each side, without which it is not read.
        let width = code.width();
        assert!(rows.len() >= width + 8 && rows.iter().all(|row| row.len() == width + 8));
        let dark: Vec<bool> = code.to_colors().into_iter().map(|color| color == Color::Dark).collect();
        for (y, row) in rows.iter().enumerate() {
            for (x, is_dark) in row.iter().enumerate() {
                let inside = (4..width + 4).contains(&x) && (4..width + 4).contains(&y);
                assert_eq!(*is_dark, inside && dark[(y - 4) * width + x - 4], "{x} {y}");
            }
        }
    }

    #[test]
    fn programs_get_a_picture_or_nothing() {
        let with = |link: Value| with_picture(serde_json::json!({ "sign_in_link": link }));
        let shown = with("https://a.example/sign-in?name=alice".into());
        assert!(shown["sign_in_qr"].as_str().is_some_and(|picture| picture.contains("<svg")), "{shown}");
        assert!(with(Value::Null)["sign_in_qr"].is_null());
        assert!(with("x".repeat(4_000).into())["sign_in_qr"].is_null(), "more than a code holds");
    }
}
