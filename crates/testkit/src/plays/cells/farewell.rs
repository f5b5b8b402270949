//! The old address of somebody who has moved ends: what their client does then, and whether it goes on when it is given the new one.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Cell, Deployment, Plan};
use crate::driver::{Driver, Program};
use crate::plays::PATIENCE;
use crate::plays::stage::PASSWORD;

/// How long is looked whether something still comes to a client.
const MOMENT: Duration = Duration::from_secs(8);
const CELLS: [(&str, &str); 2] = [("eu1", "eu"), ("ch1", "ch")];

/// A client that is looked at.
#[derive(Debug)]
pub struct Client<'p> {
    /// What it is, in words.
    pub title: &'p str,
    /// Its driver.
    pub program: &'p Program,
    /// Whether it receives by sliding sync.
    pub sliding: bool,
    /// Whether its session outlives its process. One whose does not begins anew within it, as a page that is loaded again.
    pub outlives: bool,
}

/// What a client did.
#[derive(Debug)]
pub struct Row {
    /// What it is.
    pub title: String,
    /// What came of a message that it sent to the old address.
    pub sends: String,
    /// Whether a message of somebody else came there.
    pub receives: bool,
    /// Whether its session went on at the new address, with its keys: it read what had been said meanwhile.
    pub goes_on: String,
}

/// Has somebody with each client move, with an old address that ends at once.
pub fn play(program: &Path, clients: &[Client<'_>], friend: &Program, folder: &Path) -> Result<Vec<Row>> {
    let plan = Plan { cells: &CELLS, rule: "allow", ..Plan::default() };
    let deployment = Deployment::found(program, folder, &plan)?;
    let (old, new) = (deployment.cell(CELLS[0].0)?, deployment.cell(CELLS[1].0)?);
    let mut friend = arrive("friend", new, friend, false, folder)?.0;
    let mut rows = Vec::new();
    for (number, client) in clients.iter().enumerate() {
        let row = one(client, &format!("mover{number}"), (old, new), &mut friend, folder);
        rows.push(row.with_context(|| client.title.to_owned())?);
    }
    Ok(rows)
}

fn arrive(name: &str, cell: &Cell, program: &Program, sliding: bool, folder: &Path) -> Result<(Driver, String)> {
    let mut client = Driver::start(program, name, folder)?;
    client.open(&format!("http://{}", cell.clients), &folder.join("stores").join(name))?;
    let (user, _) = client.register(name, PASSWORD)?;
    client.start_sync(sliding)?;
    client.bootstrap_cross_signing(PASSWORD)?;
    Ok((client, user))
}

fn one(client: &Client<'_>, name: &str, (old, new): (&Cell, &Cell), friend: &mut Driver, folder: &Path) -> Result<Row> {
    let (mut mover, user) = arrive(name, old, client.program, client.sliding, folder)?;
    let room = friend.create_room(true, "before and after", &[&user])?;
    super::people::accept(&mut mover, &room)?;
    friend.wait_members(&room, 2)?;
    mover.wait_members(&room, 2)?;
    let said = |from: &mut Driver, to: &mut Driver, text: &str| -> Result<()> {
        from.send(&room, text)?;
        anyhow::ensure!(to.expect(&room, &[text.to_owned()], PATIENCE)?.complete, "`{text}` did not come");
        Ok(())
    };
    said(friend, &mut mover, &format!("hello {name}"))?;
    said(&mut mover, friend, &format!("hello from {name}"))?;
    let words = ["move", &user, "--to", CELLS[1].1, "--address-days", "0", "--as", "the play", "--reason", "a play"];
    old.json(&words)?;
    let sends = match mover.send(&room, &format!("after the move, by {name}")) {
        Ok(_) => "it is taken".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    let after = format!("after the move, to {name}");
    friend.send(&room, &after)?;
    let receives = mover.expect(&room, std::slice::from_ref(&after), MOMENT)?.complete;
    let later = format!("from the new address, by {name}");
    let heard = again(client, mover, name, new, (&room, &after, &later), folder)
        .and_then(|_mover| friend.expect(&room, std::slice::from_ref(&later), PATIENCE))
        .and_then(|come| {
            anyhow::ensure!(come.complete && come.unreadable.is_empty(), "`{later}` did not come, or cannot be read");
            Ok(())
        });
    let goes_on = match heard {
        Ok(()) => "the same session and keys: it reads what was said meanwhile, and is read".to_owned(),
        Err(error) => format!("no: {error:#}"),
    };
    Ok(Row { title: client.title.to_owned(), sends, receives, goes_on })
}

/// The session goes on at the new address, in a new process where it can.
fn again(
    client: &Client<'_>,
    mut mover: Driver,
    name: &str,
    new: &Cell,
    (room, after, later): (&str, &str, &str),
    folder: &Path,
) -> Result<Driver> {
    if client.outlives {
        mover.quit()?;
        mover = Driver::start(client.program, name, folder)?;
    } else {
        mover.stop_sync()?;
    }
    mover.open(&format!("http://{}", new.clients), &folder.join("stores").join(name))?;
    mover.restore()?;
    mover.start_sync(client.sliding)?;
    mover.send(room, later)?;
    let history = mover.history(room, 50, PATIENCE)?;
    anyhow::ensure!(history.unreadable.is_empty(), "{} events cannot be read", history.unreadable.len());
    let found = history.messages.iter().filter(|one| one.body.as_deref() == Some(after)).count();
    anyhow::ensure!(found == 1, "`{after}` stands {found} times in the room's past");
    Ok(mover)
}
