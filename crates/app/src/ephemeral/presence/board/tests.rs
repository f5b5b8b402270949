//! Who is online, as time passes.

use PresenceState::{Offline, Online, Unavailable};
use domicile_core::clock::ManualClock;

use super::*;

const ALICE: UserNum = UserNum(1);

fn board() -> (Arc<ManualClock>, Arc<Presence>) {
    let clock = Arc::new(ManualClock::at(1_000));
    let board = Presence::new(Arc::clone(&clock) as Arc<dyn Clock>, true);
    (clock, Arc::new(board))
}

fn state(board: &Presence) -> PresenceState {
    board.expire();
    board.of(ALICE).map_or(Offline, |shown| shown.state)
}

#[test]
fn whoever_syncs_is_online_then_idle_then_gone() {
    let (clock, board) = board();
    let start = board.head().number;
    let connected = board.connect(ALICE, DeviceNum(1), &Online);
    assert_eq!(state(&board), Online);
    drop(connected);
    let seen = board.head().number;
    assert!(seen > start);
    // Polling again within the grace changes nothing that others see.
    for _ in 0..9 {
        clock.advance(29_000);
        let _connected = board.connect(ALICE, DeviceNum(1), &Online);
        assert_eq!(state(&board), Online);
    }
    assert_eq!(board.head().number, seen);
    let connected = board.connect(ALICE, DeviceNum(1), &Online);
    clock.advance(60_000);
    assert_eq!(state(&board), Unavailable, "five minutes without doing anything");
    board.active(ALICE);
    assert_eq!(state(&board), Online);
    drop(connected);
    clock.advance(GRACE_MS + 1);
    assert_eq!(state(&board), Offline);
    assert_eq!(board.changes(ALICE, seen, board.head().number, 10).shared.len(), 1, "only the last change is kept");
    clock.advance(FORGET_MS + 1);
    board.expire();
    assert!(board.of(ALICE).is_none());
    assert!(board.inner.lock().due.is_empty());
}

#[test]
fn the_best_of_several_devices_is_shown() {
    let (clock, board) = board();
    let phone = board.connect(ALICE, DeviceNum(1), &Unavailable);
    assert_eq!(state(&board), Unavailable);
    let desk = board.connect(ALICE, DeviceNum(2), &Online);
    assert_eq!(state(&board), Online);
    let hidden = board.connect(ALICE, DeviceNum(3), &Offline);
    drop((desk, hidden));
    clock.advance(GRACE_MS + 1);
    assert_eq!(state(&board), Unavailable);
    clock.advance(1);
    board.active(ALICE);
    assert_eq!(state(&board), Online, "doing something is being there");
    drop(phone);
    clock.advance(GRACE_MS + 1);
    assert_eq!(state(&board), Offline);
}

#[test]
fn a_page_of_changes_goes_on_where_it_ended() {
    let (_, board) = board();
    let start = board.head();
    for num in 1..=5 {
        board.set(UserNum(num), DeviceNum(num), Online, Some("hello"));
    }
    let head = board.head().number;
    let first = board.changes(ALICE, start.number, head, 3);
    let rest = board.changes(ALICE, first.upto, head, 3);
    let nums = |changes: &[Change]| changes.iter().map(|change| change.user_num.0).collect::<Vec<_>>();
    assert_eq!((nums(&first.shared), nums(&first.unknown)), (vec![1], vec![2, 3]));
    assert_eq!((nums(&rest.unknown), rest.upto), (vec![4, 5], head));
    assert_eq!(board.take_fresh().len(), 5);
    assert!(board.take_fresh().is_empty());
}

#[test]
fn rooms_tell_who_sees_whom_and_old_news_of_them_is_not_believed() {
    let (_, board) = board();
    let start = board.head().number;
    for num in 1..=3 {
        board.set(UserNum(num), DeviceNum(num), Online, None);
    }
    let rooms = |nums: &[i64]| nums.iter().copied().map(RoomNum).collect::<Vec<_>>();
    let seen = board.head();
    let learned = [(UserNum(1), rooms(&[9, 4])), (UserNum(2), rooms(&[4, 1])), (UserNum(3), rooms(&[7]))];
    board.learn(learned.clone(), seen);
    let found = board.changes(ALICE, start, seen.number, 10);
    assert_eq!((found.shared.len(), found.unknown.len()), (2, 0), "her own, and that of the second");
    board.moved(UserNum(2));
    board.learn(learned, seen);
    let found = board.changes(ALICE, start, seen.number, 10);
    assert_eq!((found.shared.len(), found.unknown.len()), (1, 1), "what was read before is not kept");
    assert!(!share(&[], &rooms(&[1])) && !share(&rooms(&[1, 3, 5]), &rooms(&[2, 4, 6])));
}
