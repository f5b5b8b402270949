//! `domicile move --dry-run`: what a move would do, in words.

use serde_json::Value;

use super::say;

/// Says what a move would do.
pub(super) fn show(plan: &Value) -> anyhow::Result<()> {
    let text = |key: &str| plan[key].as_str().unwrap_or_default();
    say(&format!(
        "{} would move from {} ({}) to {} ({}).",
        text("user_id"),
        text("from"),
        text("from_region"),
        text("to"),
        text("to_region")
    ))?;
    let rows: Vec<String> = plan["rows"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter(|row| row[1].as_i64() != Some(0))
        .map(|row| format!("{} {}", row[1], row[0].as_str().unwrap_or_default()))
        .collect();
    say(&format!("Rows by class: {}. Files: {} ({} bytes).", rows.join(", "), plan["files"], plan["bytes"]))?;
    let rooms = plan["rooms"].as_array().map_or(0, Vec::len);
    say(&format!(
        "Rooms: {rooms}, with {} other people, whose words would be copied along as far as the rules let them.",
        plan["others"]
    ))?;
    if let Some(left @ 1..) = plan["left_rooms"].as_u64() {
        say(&format!("Rooms that they have left: {left}, which come along up to their leaving."))?;
    }
    let kept = plan["kept_rooms"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !kept.is_empty() {
        say(&format!("Of {} rooms that they have left, the rules keep the past here; they lose it:", kept.len()))?;
        say_rooms(kept)?;
    }
    if let Some(why) = plan["barred"].as_str() {
        return say(&format!("They cannot move there. {why}"));
    }
    let forbidden = plan["forbidden"].as_array().map(Vec::as_slice).unwrap_or_default();
    if forbidden.is_empty() {
        return say("No rule stands against it.");
    }
    say(&format!("In {} rooms the rules would not let them be from there:", forbidden.len()))?;
    say_rooms(forbidden)?;
    say("With --forbidden leave they leave these; else they do not move.")
}

/// Rooms, each with the reason why it is named.
fn say_rooms(rooms: &[Value]) -> anyhow::Result<()> {
    rooms.iter().try_for_each(|room| {
        let text = |name: &str| room[name].as_str().unwrap_or_default();
        say(&format!("  {}: {}", text("room_id"), text("reason")))
    })
}
