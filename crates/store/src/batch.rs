//! A write as data: statements, and the guards that must hold.

use domicile_core::ids::Position;

use crate::Value;

/// What a statement must have changed for its batch to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Anything.
    Any,
    /// Exactly one row; the text names the guard.
    OneRow(&'static str),
}

/// One statement with its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) sql: &'static str,
    pub(crate) params: Vec<Value>,
    pub(crate) expect: Expect,
}

/// Statements that are applied whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) statements: Vec<Statement>,
    pub(crate) positions: u32,
    pub(crate) skipped: i64,
    pub(crate) low_priority: bool,
    pub(crate) in_company: bool,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a statement.
    pub fn push(&mut self, sql: &'static str, params: Vec<Value>) -> &mut Self {
        self.statements.push(Statement { sql, params, expect: Expect::Any });
        self
    }

    /// Adds a statement that must change exactly one row, else nothing of the batch is applied and the writer gets
    /// [`crate::StoreError::Conflict`] with `guard`.
    pub fn guard(&mut self, guard: &'static str, sql: &'static str, params: Vec<Value>) -> &mut Self {
        self.statements.push(Statement { sql, params, expect: Expect::OneRow(guard) });
        self
    }

    /// Asks for a new position in the stream, and gives the value that stands for it in parameters.
    pub fn position(&mut self) -> Value {
        let index = self.positions;
        self.positions += 1;
        Value::Position(index)
    }

    /// Leaves out the next `count` positions of the stream after this batch's own: nothing will ever stand there.
    pub fn skip_positions(&mut self, count: i64) -> &mut Self {
        self.skipped = self.skipped.saturating_add(count.max(0));
        self
    }

    /// By how much the stream goes on with this batch.
    pub(crate) fn advance(&self) -> i64 {
        i64::from(self.positions).saturating_add(self.skipped)
    }

    /// Lets everybody else's batches go first: for bulk work, in chunks of a few milliseconds.
    pub fn low_priority(&mut self) -> &mut Self {
        self.low_priority = true;
        self
    }

    /// Says that others are written at the same moment by the same task: all of them together cost little more than one.
    pub fn in_company(&mut self) -> &mut Self {
        self.in_company = true;
        self
    }

    /// Whether a text in it has a NUL character.
    pub(crate) fn has_nul(&self) -> bool {
        self.statements.iter().flat_map(|statement| &statement.params).any(Value::has_nul)
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Appends all of another batch, whose positions come after this one's.
    pub fn append(&mut self, other: Self) -> &mut Self {
        let shift = self.positions;
        self.positions += other.positions;
        self.skipped += other.skipped;
        self.low_priority &= other.low_priority;
        self.in_company |= other.in_company;
        self.statements.extend(other.statements.into_iter().map(|mut statement| {
            for param in &mut statement.params {
                if let Value::Position(index) = param {
                    *index += shift;
                }
            }
            statement
        }));
        self
    }
}

/// A batch that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    pub(crate) base: i64,
    pub(crate) count: u32,
}

impl Committed {
    /// The position that [`Batch::position`] gave as its n-th (from 0).
    pub fn position(&self, index: u32) -> Position {
        Position(self.base + i64::from(index))
    }

    /// The last of the batch's positions; the head before it, if it had none.
    pub fn last(&self) -> Position {
        Position(self.base + i64::from(self.count) - 1)
    }
}
