//! GET / and /account/{language} (the user's own page)

use std::collections::BTreeSet;

use axum::{extract::State, http::HeaderMap};
use domicile_app::{
    accounts::devices::Device,
    evidence::access_log::{Log, Told},
    residency::{Layout, RegionLayout},
    rooms::RoomCopies,
    standing::{Language, Noted},
};
use domicile_core::{error::MatrixError, locality::Destination};
use maud::{DOCTYPE, Markup, html};

use super::{
    accepted, address, export, moving, never,
    page::{around, head, password, refusal, token},
    visitor::Visitor,
    words::Words,
};
use crate::{
    error::Failure,
    pages::{
        Page,
        shown::{date, number, tag, time},
    },
    state::Services,
};

/// Servers that are named for one room; a large one has hundreds.
const SERVERS: usize = 12;

/// What stands at the root: which server this is, and where people find more.
pub(super) async fn front(State(services): State<Services>, headers: HeaderMap) -> Page {
    let language = accepted(&headers);
    let (words, service) = (Words::of(language), services.users.server_name());
    Page::new(html! {
        (DOCTYPE)
        html lang=(language.code()) {
            (head(service.as_str()))
            body {
                div.alone {
                    main {
                        h1 { (service) }
                        p.lead { (words.front) }
                        ul.plain {
                            li { a href=(address(language)) { (words.title) } }
                            li { a href={ "/status/" (language.code()) } { (words.status) } }
                        }
                    }
                }
            }
        }
    })
}

/// The page.
pub(super) async fn page(
    services: &Services,
    visitor: &Visitor,
    refused: Option<&MatrixError>,
) -> Result<Page, Failure> {
    let (words, session) = (visitor.words(), &visitor.session);
    let layout = services.users.localities().cells().map(|cells| Layout::of(&cells.own));
    let noted = services.jurisdictions.of(&session.user_id).await?;
    let devices = services.devices.list(session.user_num).await?;
    let (rooms, all) = services.summaries.copies(session.user_num).await?;
    let log = services.access_log.of(session.user_num).await?;
    let last_move = services.moves.of_user(&session.user_id).await?;
    let ruled_out = services.moves.ruled_out(&noted.never_in);
    let moves = moving::section(words, visitor, layout.as_ref(), (last_move.as_ref(), &ruled_out));
    let is_moving = last_move.is_some_and(|last| last.ended_ts.is_none());
    let content = html! {
        h1 { (words.title) }
        p.lead { (session.user_id) }
        (refusal(words, refused))
        // What has to be decided comes first.
        @if is_moving { (moves) }
        (home(words, layout.as_ref(), &noted, visitor))
        (never::section(words, visitor, layout.as_ref(), (&noted, &ruled_out)))
        (sessions(words, visitor, &devices))
        (copies(words, layout.as_ref(), &rooms, all))
        (looks(words, &log, visitor))
        h2 { (words.kept) }
        div.card { dl { @for (what, how_long) in words.kept_for { dt { (what) } dd { (how_long) } } } }
        @if !is_moving { (moves) }
        (export::forms(words, visitor))
        (erase_form(words, visitor))
    };
    Ok(around(services.users.server_name().as_str(), visitor.language, Some(visitor), &content))
}

fn home(words: &Words, layout: Option<&Layout>, noted: &Noted, visitor: &Visitor) -> Markup {
    let own = layout.and_then(|layout| layout.regions.iter().find(|region| region.is_own));
    let code = noted.jurisdiction.as_deref();
    let language = visitor.language;
    html! {
        h2 id="home" { (words.home) }
        div.card {
            @match own {
                Some(region) => { p { (words.home_region) " " b { (called(region)) } (language.stop()) } }
                None => { p { (words.home_only) } }
            }
            p {
                @match code {
                    Some(code) => {
                        (words.jurisdiction) (Language::after(words.jurisdiction)) b { (code) } (language.comma())
                        @if noted.source.as_deref() == Some("self") { (words.by_yourself) } @else { (words.told_by) (Language::after(words.told_by)) (noted.source.as_deref().unwrap_or("–")) }
                        @if let Some(at) = noted.noted_ts { (language.comma()) (date(at)) }
                        (language.stop())
                    }
                    None => { (words.no_jurisdiction) }
                }
            }
            p.soft { (words.never_guessed) }
            details {
                summary { (words.correct) }
                form.act method="post" action={ (address(visitor.language)) "/jurisdiction" } {
                    (token(visitor))
                    label { (words.code) input name="code" value=(code.unwrap_or_default()) maxlength="2" pattern="[A-Za-z]{2}" autocapitalize="characters"; }
                    button type="submit" { (words.save) }
                }
            }
        }
    }
}

/// A region, with whose law holds there.
pub(super) fn called(region: &RegionLayout) -> String {
    if region.jurisdictions.is_empty() {
        return region.name.clone();
    }
    format!("{} ({})", region.name, region.jurisdictions.join(", "))
}

fn sessions(words: &Words, visitor: &Visitor, devices: &[Device]) -> Markup {
    let others = || devices.iter().filter(|device| device.device_id != visitor.session.device_id);
    html! {
        h2 id="devices" { (words.devices) }
        div.card {
            ul.plain {
                @for device in devices {
                    li {
                        (device.display_name.as_deref().unwrap_or("–")) " " span.soft.mono { (device.device_id) }
                        @if let Some(at) = device.last_seen_ts { span.soft { " · " (date(at)) } }
                    }
                }
            }
            @if others().next().is_some() {
                details open[visitor.asked.is_some()] {
                    summary { (words.end_device) }
                    form.act method="post" action={ (address(visitor.language)) "/sign-out" } {
                        (token(visitor))
                        label {
                            (words.which_device)
                            select name="device" {
                                @for device in others() {
                                    option value=(device.device_id) selected[Some(device.device_id.as_str()) == visitor.asked.as_deref()] {
                                        (device.display_name.as_deref().unwrap_or("–")) " (" (device.device_id) ")"
                                    }
                                }
                            }
                        }
                        (password(words))
                        button type="submit" { (words.end_device) }
                    }
                }
            }
        }
    }
}

fn copies(words: &Words, layout: Option<&Layout>, rooms: &[RoomCopies], all: bool) -> Markup {
    html! {
        h2 { (words.rooms) }
        p { (words.rooms_about) }
        @if rooms.is_empty() {
            div.card { p { (words.no_rooms) } }
        } @else {
            div.wide tabindex="0" role="region" aria-label=(words.rooms) {
                table {
                    thead { tr { th.text scope="col" { (words.room) } th scope="col" { (words.text_is) } th.number scope="col" { (words.members) } th.text scope="col" { (words.copies) } } }
                    tbody {
                        @for room in rooms {
                            tr {
                                th.text scope="row" { @match &room.name { Some(name) => { (name) } None => { span.mono { (room.room_id) } } } }
                                td { @if room.encrypted { (tag("good", words.encrypted)) } @else { (tag("warn", words.readable)) } }
                                td.number { (number(room.joined)) }
                                td.text { (places(words, layout, room)) }
                            }
                        }
                    }
                }
            }
            @if !all { p.soft { (words.more_rooms) } }
        }
    }
}

/// The regions and servers that have a copy of a room.
fn places(words: &Words, layout: Option<&Layout>, room: &RoomCopies) -> Markup {
    let region = |destination: &Destination| {
        let regions = layout.map(|layout| layout.regions.as_slice()).unwrap_or_default();
        regions.iter().find(|region| region.cells.iter().any(|cell| cell.destination == *destination))
    };
    let mut regions = BTreeSet::new();
    let mut servers = Vec::new();
    for (destination, members) in &room.elsewhere {
        match destination {
            Destination::Cell(_) => {
                regions.extend(region(destination).map(called));
            }
            Destination::Server(name) => servers.push((name.as_str(), *members)),
        }
    }
    html! {
        (words.here)
        @for region in &regions { br; (words.region) " " (region) }
        @for (name, members) in servers.iter().take(SERVERS) { br; span.mono { (name) } " " span.soft { "(" (number(*members)) ")" } }
        @if servers.len() > SERVERS { br; span.soft { "+ " (servers.len() - SERVERS) } }
    }
}

fn looks(words: &Words, log: &Log, visitor: &Visitor) -> Markup {
    html! {
        h2 { (words.looks) }
        @if !log.whole { div.notice.bad { p { (words.broken) } } }
        @if log.entries.is_empty() {
            div.card.fine { p { (words.nobody_looked) } }
        } @else {
            div.card { ol.log { @for entry in log.entries.iter().rev() { (look(words, entry, visitor)) } } }
        }
    }
}

fn look(words: &Words, entry: &Told, visitor: &Visitor) -> Markup {
    let own = visitor.session.user_id.as_str();
    html! {
        li {
            @match &entry.look {
                Some(look) => {
                    p { b { @if look.by.name == own { (words.you) } @else { (look.by.name) } } (visitor.language.colon()) (words.what(look.what)) }
                    @if let Some(reason) = &look.reason { p.said { (reason) } }
                }
                None => { p { (words.unreadable) } }
            }
            p.soft { (time(entry.ts)) " UTC" }
        }
    }
}

fn erase_form(words: &Words, visitor: &Visitor) -> Markup {
    html! {
        h2 id="erase" { (words.erase) }
        form.act.card.urgent method="post" action={ (address(visitor.language)) "/erase" } {
            (token(visitor))
            p { (words.erase_about) }
            (password(words))
            label.check { input type="checkbox" name="sure" required; (words.sure) }
            button.danger type="submit" { (words.erase_button) }
        }
    }
}
