//! What the log tells of a move, step by step, in the cell that is left and in the new home: at the level `debug`, under `domicile_app::moves::steps`,
//! and of nobody by name. Whoever looks into a move that does not go on sees how far it comes, and tests stop either cell at each of these lines.

use super::progress::State;

/// A step of a move begins in the cell that is left.
pub(super) fn begins(state: State) {
    tracing::debug!(of = state.word(), "begins");
}

/// Which step is next is on disk.
pub(super) fn is_next(state: State) {
    tracing::debug!(of = state.word(), "is next");
}

/// Another cell is asked, by the path of what it is asked.
pub(super) fn asks(path: &str) {
    tracing::debug!(of = path, "is asked of another cell");
}

/// It has answered.
pub(super) fn answered(path: &str) {
    tracing::debug!(of = path, "was answered by another cell");
}

/// The new home is asked.
pub(super) fn comes(path: &str) {
    tracing::debug!(of = path, "comes");
}

/// What of it lasts is on disk: only the answer is still to go.
pub(super) fn is_here(path: &str) {
    tracing::debug!(of = path, "is on disk");
}

/// Something between those has happened.
pub(super) fn happened(what: &'static str) {
    tracing::debug!(of = what, "has happened");
}
