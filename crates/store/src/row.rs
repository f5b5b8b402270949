//! A row of an answer, the same on both engines.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::{StoreError, Value};

/// A row. Columns are counted from 0.
#[derive(Clone, Debug)]
pub struct Row {
    pub(crate) columns: SmallVec<[Value; 8]>,
}

impl Row {
    fn corrupt(&self, column: usize, wanted: &str) -> StoreError {
        let found = match self.columns.get(column) {
            None => "no such column",
            Some(Value::Null) => "null",
            Some(Value::Int(_) | Value::Position(_)) => "an integer",
            Some(Value::Text(_)) => "text",
            Some(Value::Blob(_)) => "bytes",
        };
        StoreError::Corrupt(format!("column {column} should be {wanted}, found {found}"))
    }

    /// The integer of a column.
    pub fn int(&self, column: usize) -> Result<i64, StoreError> {
        match self.columns.get(column) {
            Some(Value::Int(value)) => Ok(*value),
            _ => Err(self.corrupt(column, "an integer")),
        }
    }

    /// The number (of a user, a room …) of a column.
    pub fn num<N: From<i64>>(&self, column: usize) -> Result<N, StoreError> {
        self.int(column).map(N::from)
    }

    /// The integer of a column that may be null.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self.columns.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.int(column).map(Some),
        }
    }

    /// The number of a column that may be null.
    pub fn opt_num<N: From<i64>>(&self, column: usize) -> Result<Option<N>, StoreError> {
        Ok(self.opt_int(column)?.map(N::from))
    }

    /// Truth of a column.
    pub fn flag(&self, column: usize) -> Result<bool, StoreError> {
        self.int(column).map(|value| value != 0)
    }

    /// The text of a column.
    pub fn text(&self, column: usize) -> Result<&str, StoreError> {
        match self.columns.get(column) {
            Some(Value::Text(value)) => Ok(value),
            _ => Err(self.corrupt(column, "text")),
        }
    }

    /// The text of a column that may be null.
    pub fn opt_text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        match self.columns.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.text(column).map(Some),
        }
    }

    /// The bytes of a column.
    pub fn blob(&self, column: usize) -> Result<Bytes, StoreError> {
        match self.columns.get(column) {
            Some(Value::Blob(value)) => Ok(value.clone()),
            _ => Err(self.corrupt(column, "bytes")),
        }
    }

    /// The bytes of a column that may be null.
    pub fn opt_blob(&self, column: usize) -> Result<Option<Bytes>, StoreError> {
        match self.columns.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.blob(column).map(Some),
        }
    }
}
