//! Tests of this folder.

use domicile_core::locality::CellName;
use proptest::prelude::*;
use ruma::{OwnedUserId, user_id};

use super::*;
use crate::deployment::{
    Deployment, SecretKey, edit,
    tests::{NOW_MS, cell, key, read, two_cells},
};

struct World {
    deployment: Deployment,
    root: SecretKey,
    decider: SecretKey,
    other: SecretKey,
}

fn world() -> World {
    World { deployment: read(&two_cells()), root: key(9), decider: key(1), other: key(2) }
}

fn bob() -> OwnedUserId {
    user_id!("@bob:example.org").to_owned()
}

impl World {
    fn first(&self, home: &str) -> Ticket {
        Ticket::issue(bob(), &cell(home), None, (1, &self.decider))
    }

    fn moved(&self, before: &Ticket, to: &str, by: impl FnOnce(String) -> Authority, key: &SecretKey) -> Ticket {
        let (from, to, previous) = (CellName::parse(&before.home).unwrap(), cell(to), before.hash());
        let transfer =
            Transfer { user_id: &before.user_id, from: &from, to: &to, epoch: before.epoch + 1, previous: &previous };
        let authority = by(transfer.sign(key));
        Ticket::issue(before.user_id.clone(), &to, Some((before, authority)), (1, &self.decider))
    }

    fn check(&self, tickets: Vec<Ticket>) -> Result<Option<History>, TicketError> {
        History::check(tickets, &self.deployment, &self.root.public())
    }
}

#[test]
fn a_ticket_is_believed_by_the_deciders_signature_alone() {
    let world = world();
    let first = world.first("ru1");
    let history = world.check(vec![first.clone()]).unwrap().unwrap();
    assert_eq!(history.home(), Some(cell("ru1")));
    assert!(history.was_home(&cell("ru1")) && !history.was_home(&cell("eu1")));
    let by_other = Ticket::issue(bob(), &cell("ru1"), None, (1, &world.other));
    assert!(matches!(world.check(vec![by_other]), Err(TicketError::NotSigned { .. })), "a cell that decides nothing");
    let of_later_term = Ticket::issue(bob(), &cell("ru1"), None, (2, &world.decider));
    assert!(matches!(world.check(vec![of_later_term]), Err(TicketError::NotSigned { .. })));
    let altered = Ticket { home: "eu1".to_owned(), ..first.clone() };
    assert!(matches!(world.check(vec![altered]), Err(TicketError::NotSigned { .. })));
    let nowhere = Ticket::issue(bob(), &cell("zz"), None, (1, &world.decider));
    assert!(matches!(world.check(vec![nowhere]), Err(TicketError::NoCell(_))));
    let stranger = Ticket::issue(user_id!("@bob:example.com").to_owned(), &cell("ru1"), None, (1, &world.decider));
    assert!(matches!(world.check(vec![stranger]), Err(TicketError::OtherServer(_))));
    assert_eq!(world.check(Vec::new()), Ok(None));
}

#[test]
fn only_the_losing_home_or_the_root_lets_somebody_go() {
    let world = world();
    let first = world.first("ru1");
    for (moved, fits) in [
        (world.moved(&first, "eu1", Authority::Home, &world.other), true),
        (world.moved(&first, "eu1", Authority::Root, &world.root), true),
        (world.moved(&first, "eu1", Authority::Home, &world.decider), false),
        (world.moved(&first, "eu1", Authority::Root, &world.decider), false),
        (world.moved(&first, "eu1", Authority::Root, &world.other), false),
        (world.moved(&first, "eu1", Authority::Home, &world.root), false),
    ] {
        let checked = world.check(vec![first.clone(), moved]);
        assert_eq!(checked.is_ok(), fits, "{checked:?}");
    }
    let moved = world.moved(&first, "eu1", Authority::Home, &world.other);
    let history = world.check(vec![first.clone(), moved.clone()]).unwrap().unwrap();
    assert_eq!(history.home(), Some(cell("eu1")));
    assert!(history.was_home(&cell("ru1")));
    assert!(matches!(world.check(vec![moved.clone()]), Err(TicketError::Broken { .. })), "the first is missing");
    assert!(matches!(world.check(vec![first.clone(), first.clone()]), Err(TicketError::Broken { .. })));
    // Signed for one epoch, used for another.
    let replayed =
        Ticket::issue(bob(), &cell("eu1"), Some((&moved, moved.authority.clone().unwrap())), (1, &world.decider));
    assert!(world.check(vec![first, moved, replayed]).is_err());
}

#[test]
fn what_is_known_word_for_word_needs_no_check() {
    let world = world();
    let first = world.first("ru1");
    let moved = world.moved(&first, "eu1", Authority::Home, &world.other);
    let history = world.check(vec![first.clone(), moved.clone()]).unwrap().unwrap();
    assert!(history.covers(std::slice::from_ref(&first)) && history.covers(&[first.clone(), moved.clone()]));
    let further = world.moved(&moved, "ru1", Authority::Home, &world.decider);
    assert!(!history.covers(&[first.clone(), moved.clone(), further]), "more than is known");
    assert!(!history.covers(&[]) && !history.covers(std::slice::from_ref(&moved)), "not from the beginning");
    let forged = Ticket { signature: moved.signature.clone(), ..first.clone() };
    assert!(!history.covers(&[forged]), "the same words under another signature");
    let elsewhere = Ticket { home: "eu1".to_owned(), ..first };
    assert!(!history.covers(&[elsewhere]));
}

#[test]
fn who_left_a_cell_before_it_was_revoked_keeps_their_home() {
    let mut world = world();
    let first = world.first("ru1");
    let moved = world.moved(&first, "eu1", Authority::Home, &world.other);
    let rescued = world.moved(&first, "eu1", Authority::Root, &world.root);
    let by_another = world.moved(&first, "eu1", Authority::Home, &world.decider);
    world.deployment = read(&edit::revoke_cell(&two_cells(), &cell("ru1"), None, NOW_MS).unwrap());
    assert!(world.check(vec![first.clone(), moved.clone()]).is_ok());
    assert!(world.check(vec![first.clone(), rescued]).is_ok());
    assert!(matches!(world.check(vec![first.clone(), by_another]), Err(TicketError::NoAuthority { .. })));
    // Whoever has the revoked cell's key has not the decider's.
    let forged = Ticket { signature: first.signature.clone(), ..moved };
    assert!(matches!(world.check(vec![first, forged]), Err(TicketError::NotSigned { .. })));
}

#[test]
fn another_decider_signs_tickets_again() {
    let mut world = world();
    let first = world.first("ru1");
    let later = two_cells()
        .replace("term = 1", "term = 2\nbefore = [{ term = 1, cell = \"eu1\" }]")
        .replace("trusted = false", "trusted = true")
        .replace("directory = false", "directory = true")
        .replace("decider = \"eu1\"", "decider = \"ru1\"");
    world.deployment = read(&later);
    assert!(world.check(vec![first.clone()]).is_ok(), "what the decider before signed counts");
    let again = first.again((2, &world.other));
    assert_eq!(again.hash(), first.hash());
    let (one, two) = (world.check(vec![first]).unwrap().unwrap(), world.check(vec![again.clone()]).unwrap().unwrap());
    assert_eq!(one.clone().merge(two.clone()).unwrap().tickets(), std::slice::from_ref(&again));
    assert_eq!(two.merge(one).unwrap().tickets(), std::slice::from_ref(&again));
    world.deployment = read(&edit::revoke_cell(&later, &cell("eu1"), None, NOW_MS).unwrap());
    assert!(world.check(vec![again]).is_ok());
    assert!(world.check(vec![world.first("ru1")]).is_err(), "the decider before is revoked");
}

#[test]
fn two_tongues_are_noticed() {
    let world = world();
    let check = |ticket| world.check(vec![ticket]).unwrap().unwrap();
    let (here, there) = (check(world.first("ru1")), check(world.first("eu1")));
    assert!(matches!(here.merge(there), Err(TicketError::Fork { .. })));
}

fn hashed(name: &str) -> NameHash {
    HashKey::new([7; 32]).hash('@', name)
}

#[test]
fn hashes_tell_no_names() {
    assert_ne!(hashed("bob"), hashed("bo"));
    assert_ne!(hashed("bob"), HashKey::new([8; 32]).hash('@', "bob"));
    assert_ne!(hashed("bob"), HashKey::new([7; 32]).hash('#', "bob"), "an alias may be called like a user");
}

#[test]
fn a_name_is_taken_once() {
    let world = world();
    let mut log = Log::open(Tip::start(), 1, &world.decider);
    let Taken::Now(entry) = log.take(hashed("bob"), &cell("ru1"), None) else { panic!("it is free") };
    assert_eq!(log.take(hashed("bob"), &cell("ru1"), Some(&cell("ru1"))), Taken::Already);
    assert_eq!(log.take(hashed("bob"), &cell("eu1"), Some(&cell("ru1"))), Taken::ByAnother);
    let mut tip = Tip::start();
    tip.follow(&entry, &world.deployment).unwrap();
    assert_eq!(&tip, log.tip());
    let by_other = Log::open(tip.clone(), 1, &world.other).append(Body::Free { name: hashed("bob").to_string() });
    assert!(matches!(tip.clone().follow(&by_other, &world.deployment), Err(Broken::NotSigned { .. })));
    let fork = Log::open(Tip::start(), 1, &world.decider).append(Body::Free { name: hashed("bob").to_string() });
    assert_eq!(tip.follow(&fork, &world.deployment), Err(Broken::Gap(1)));
}

#[test]
fn another_cell_that_holds_the_directory_signs_tickets_and_decides_nothing() {
    let followed =
        two_cells().replace("directory = false", "directory = true").replace("trusted = false", "trusted = true");
    let world = World { deployment: read(&followed), ..world() };
    assert_eq!(world.deployment.directory_cells().count(), 2);
    let by_follower = Ticket::issue(bob(), &cell("ru1"), None, (1, &world.other));
    assert_eq!(world.check(vec![by_follower.clone()]).unwrap().unwrap().home(), Some(cell("ru1")));
    let by_decider = world.check(vec![world.first("ru1")]).unwrap().unwrap();
    assert!(by_decider.merge(world.check(vec![by_follower.clone()]).unwrap().unwrap()).is_ok(), "both say the same");
    // It cannot move anybody whose home does not let them go, and cannot write the log.
    let stolen = world.moved(&by_follower, "eu1", Authority::Home, &world.decider);
    assert!(matches!(world.check(vec![by_follower, stolen]), Err(TicketError::NoAuthority { .. })));
    let entry = Log::open(Tip::start(), 1, &world.other).append(Body::Free { name: hashed("bob").to_string() });
    assert!(matches!(Tip::start().follow_all(&[entry], &world.deployment), Err(Broken::NotSigned { .. })));
}

#[test]
fn what_a_revoked_decider_wrote_counts_with_what_came_after_it() {
    let before =
        two_cells().replace("directory = false", "directory = true").replace("trusted = false", "trusted = true");
    let handed = before
        .replace("decider = \"eu1\"\nterm = 1", "decider = \"ru1\"\nterm = 2\nbefore = [{ term = 1, cell = \"eu1\" }]");
    let handed = handed.replace("serial = 2", "serial = 3");
    let world = World { deployment: read(&edit::revoke_cell(&handed, &cell("eu1"), None, NOW_MS).unwrap()), ..world() };
    assert!(world.deployment.is_revoked_decider(1) && world.deployment.decider_before().is_none());
    let mut log = Log::open(Tip::start(), 1, &world.decider);
    let mut entries: Vec<Entry> = ["a", "b"]
        .map(|name| log.append(Body::Take { name: hashed(name).to_string(), home: "ru1".to_owned() }))
        .to_vec();
    let mut log = Log::open(log.tip().clone(), 2, &world.other);
    entries.push(log.append(Body::Free { name: hashed("c").to_string() }));
    let mut tip = Tip::start();
    tip.follow_all(&entries, &world.deployment).unwrap();
    assert_eq!(&tip, log.tip());
    let mut altered = entries.clone();
    altered[0].body = Body::Free { name: hashed("a").to_string() };
    let mut tip = Tip::start();
    assert_eq!(tip.follow_all(&altered, &world.deployment), Err(Broken::Gap(2)));
    assert_eq!(tip, Tip::start(), "nothing of it is followed");
}

#[test]
fn a_pack_has_what_was_packed_and_one_signature_stands_for_it() {
    let world = world();
    let mut log = Log::open(Tip::start(), 1, &world.decider);
    let mut entries: Vec<Entry> = (0..50)
        .map(|at| log.append(Body::Take { name: hashed(&format!("n{at}")).to_string(), home: "ru1".to_owned() }))
        .collect();
    entries.push(log.append(Body::Hand { name: hashed("n1").to_string(), home: "eu1".to_owned() }));
    entries.push(log.append(Body::Take { name: "no hash".to_owned(), home: "ru1".to_owned() }));
    entries.push(log.append(Body::Free { name: hashed("n2").to_string() }));
    let packs = Pack::all(&entries, 20).unwrap();
    assert_eq!(packs.iter().map(|pack| pack.tip.index).collect::<Vec<_>>(), [20, 40, 53]);
    assert_eq!(&packs[2].tip, log.tip());
    assert!(packs[0].bytes.len() < 20 * 22 + 220, "{} bytes", packs[0].bytes.len());
    let unpacked: Vec<Entry> = packs.iter().flat_map(|pack| Pack::entries(&pack.bytes).unwrap()).collect();
    for (was, is) in entries.iter().zip(&unpacked) {
        let signature = if [20, 40, 53].contains(&is.index) { was.signature.clone() } else { String::new() };
        assert_eq!(is, &Entry { signature, ..was.clone() });
    }
    let mut tip = Tip::start();
    tip.follow_all(&unpacked, &world.deployment).unwrap();
    assert_eq!(&tip, log.tip());
    // What was packed is packed again where a signature lets it be cut, and has the same entries.
    let again = Pack::all(&unpacked, 30).unwrap();
    assert_eq!(again.iter().map(|pack| pack.tip.index).collect::<Vec<_>>(), [20, 40, 53]);
    // Without the signature at the end, nothing stands for what comes before it.
    let mut tip = Tip::start();
    assert_eq!(tip.follow_all(&unpacked[..19], &world.deployment), Err(Broken::NotSigned { index: 19, term: 1 }));
    assert_eq!(Pack::all(&unpacked[..19], 20), None);
    // Another term begins another pack.
    let mut later = Log::open(log.tip().clone(), 2, &world.other);
    entries.push(later.append(Body::Free { name: hashed("n3").to_string() }));
    let ends: Vec<u64> = Pack::all(&entries, 100).unwrap().iter().map(|pack| pack.tip.index).collect();
    assert_eq!(ends, [53, 54]);
}

proptest! {
    #[test]
    fn a_damaged_pack_is_an_error_or_another_log(at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let world = world();
        let mut log = Log::open(Tip::start(), 1, &world.decider);
        let mut entries: Vec<Entry> = ["a", "b", "c"]
            .map(|name| log.append(Body::Take { name: hashed(name).to_string(), home: "ru1".to_owned() }))
            .to_vec();
        entries.push(log.append(Body::Free { name: hashed("a").to_string() }));
        let pack = Pack::all(&entries, 10).unwrap().remove(0).bytes;
        let believed = |bytes: &[u8]| Pack::entries(bytes).is_ok_and(|entries| {
            Tip::start().follow_all(&entries, &world.deployment).is_ok()
        });
        prop_assert!(believed(&pack));
        prop_assert!(!believed(&pack[..cut.index(pack.len())]));
        let mut changed = pack.clone();
        changed[at.index(pack.len())] = to;
        let same = Pack::entries(&changed).ok() == Pack::entries(&pack).ok();
        prop_assert!(same || !believed(&changed));
    }

    #[test]
    fn no_altered_log_is_followed(
        names in prop::collection::vec("[a-z]{1,8}", 2..12), swap in any::<prop::sample::Index>(), drop in any::<prop::sample::Index>(),
    ) {
        let world = world();
        let mut log = Log::open(Tip::start(), 1, &world.decider);
        let entries: Vec<Entry> = names
            .iter()
            .map(|name| log.append(Body::Take { name: hashed(name).to_string(), home: "ru1".to_owned() }))
            .collect();
        let follow = |entries: &[Entry]| {
            let mut tip = Tip::start();
            entries.iter().try_for_each(|entry| tip.follow(entry, &world.deployment)).map(|()| tip)
        };
        prop_assert_eq!(&follow(&entries).unwrap(), log.tip());
        let many: Vec<Entry> = std::iter::repeat_with(|| log.append(Body::Free { name: hashed("x").to_string() })).take(70).collect();
        let mut forged = many.clone();
        forged.last_mut().unwrap().signature = many[0].signature.clone();
        let mut tip = follow(&entries).unwrap();
        prop_assert!(tip.follow_all(&forged, &world.deployment).is_err());
        forged = many.clone();
        forged[drop.index(69)].body = Body::Free { name: hashed("y").to_string() };
        prop_assert!(tip.follow_all(&forged, &world.deployment).is_err());
        prop_assert!(tip.follow_all(&many, &world.deployment).is_ok());
        let at = swap.index(entries.len() - 1);
        let mut swapped = entries.clone();
        swapped.swap(at, at + 1);
        prop_assert!(follow(&swapped).is_err());
        let mut shorter = entries.clone();
        let gone = drop.index(entries.len());
        shorter.remove(gone);
        // Only a log that ends earlier is right as far as it goes.
        prop_assert_eq!(follow(&shorter).is_ok(), gone + 1 == entries.len());
        let mut changed = entries;
        changed[at].body = Body::Take { name: hashed("mallory").to_string(), home: "eu1".to_owned() };
        prop_assert!(follow(&changed).is_err());
    }

    #[test]
    fn moves_are_followed_whole_and_in_order(homes in prop::collection::vec(any::<bool>(), 1..8), cut in any::<prop::sample::Index>()) {
        let world = world();
        let mut tickets = vec![world.first("ru1")];
        for at_root in homes {
            let before = tickets.last().unwrap();
            let (to, key) = if before.home == "ru1" { ("eu1", &world.other) } else { ("ru1", &world.decider) };
            let next = if at_root {
                world.moved(before, to, Authority::Root, &world.root)
            } else {
                world.moved(before, to, Authority::Home, key)
            };
            tickets.push(next);
        }
        let whole = world.check(tickets.clone()).unwrap().unwrap();
        prop_assert_eq!(whole.home(), CellName::parse(&tickets.last().unwrap().home));
        let part = world.check(tickets[..=cut.index(tickets.len())].to_vec()).unwrap().unwrap();
        prop_assert_eq!(part.clone().merge(whole.clone()).unwrap(), whole.clone());
        prop_assert_eq!(whole.clone().merge(part).unwrap(), whole);
        let mut holed = tickets.clone();
        if tickets.len() > 2 {
            holed.remove(1 + cut.index(tickets.len() - 2));
            prop_assert!(world.check(holed).is_err());
        }
    }
}
