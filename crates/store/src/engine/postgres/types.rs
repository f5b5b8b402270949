//! How the store's values travel to PostgreSQL and back.

use std::error::Error;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::{Row, StoreError, Value};

/// A parameter, with the number of its batch's first position.
#[derive(Debug)]
pub(super) struct Parameter<'a> {
    pub(super) value: &'a Value,
    pub(super) base: i64,
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.value {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(value) => integer(*value, kind, out),
            Value::Position(offset) => integer(self.base + i64::from(*offset), kind, out),
            Value::Text(value) if is_text(kind) => {
                out.extend_from_slice(value.as_bytes());
                Ok(IsNull::No)
            }
            Value::Blob(value) if *kind == Type::BYTEA => {
                out.extend_from_slice(value);
                Ok(IsNull::No)
            }
            Value::Text(_) => Err(format!("a text was given for a parameter of type {kind}").into()),
            Value::Blob(_) => Err(format!("bytes were given for a parameter of type {kind}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn is_text(kind: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::JSON, Type::UNKNOWN].contains(kind)
}

fn integer(value: i64, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
    match *kind {
        Type::INT8 => out.extend_from_slice(&value.to_be_bytes()),
        Type::INT4 => out.extend_from_slice(&i32::try_from(value)?.to_be_bytes()),
        Type::INT2 => out.extend_from_slice(&i16::try_from(value)?.to_be_bytes()),
        Type::BOOL => out.extend_from_slice(&[u8::from(value != 0)]),
        _ => return Err(format!("an integer was given for a parameter of type {kind}").into()),
    }
    Ok(IsNull::No)
}

/// A column as it came, with its type.
struct Raw<'a> {
    kind: Type,
    bytes: Option<&'a [u8]>,
}

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(kind: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self { kind: kind.clone(), bytes: Some(bytes) })
    }

    fn from_sql_null(kind: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self { kind: kind.clone(), bytes: None })
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A row, copied out of the answer.
pub(super) fn row(answer: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let mut columns = SmallVec::with_capacity(answer.len());
    for column in 0..answer.len() {
        let raw: Raw<'_> = answer.try_get(column).map_err(super::failure)?;
        let value = value(&raw).ok_or_else(|| {
            StoreError::Corrupt(format!("column {column} has the type {}, which the store does not read", raw.kind))
        })?;
        columns.push(value);
    }
    Ok(Row { columns })
}

fn value(raw: &Raw<'_>) -> Option<Value> {
    let Some(bytes) = raw.bytes else { return Some(Value::Null) };
    match raw.kind {
        Type::INT8 => Some(Value::Int(i64::from_be_bytes(bytes.try_into().ok()?))),
        Type::INT4 => Some(Value::Int(i32::from_be_bytes(bytes.try_into().ok()?).into())),
        Type::INT2 => Some(Value::Int(i16::from_be_bytes(bytes.try_into().ok()?).into())),
        Type::BOOL => Some(Value::Int(i64::from(bytes != [0]))),
        Type::NUMERIC => whole_number(bytes).map(Value::Int),
        Type::BYTEA => Some(Value::Blob(Bytes::copy_from_slice(bytes))),
        ref kind if is_text(kind) => Some(Value::Text(String::from_utf8(bytes.to_vec()).ok()?)),
        _ => None,
    }
}

/// A `NUMERIC` without a fraction, which is what PostgreSQL makes of a sum of BIGINT: groups of four decimal digits, the highest first.
fn whole_number(bytes: &[u8]) -> Option<i64> {
    let word = |index: usize| Some(u16::from_be_bytes(bytes.get(index * 2..index * 2 + 2)?.try_into().ok()?));
    let groups = usize::from(word(0)?);
    if groups == 0 {
        return Some(0);
    }
    let weight = usize::from(word(1)?);
    let negative = match word(2)? {
        0 => false,
        0x4000 => true,
        _ => return None,
    };
    if groups > weight + 1 || weight > 4 {
        return None;
    }
    let mut total: i64 = 0;
    for group in 0..=weight {
        let digits = if group < groups { i64::from(word(4 + group)?) } else { 0 };
        total = total.checked_mul(10_000)?.checked_sub(digits)?;
    }
    if negative { Some(total) } else { total.checked_neg() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_whole_numbers() {
        let numeric = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        assert_eq!(whole_number(&numeric(&[0, 0, 0, 0])), Some(0));
        assert_eq!(whole_number(&numeric(&[1, 0, 0, 0, 42])), Some(42));
        assert_eq!(whole_number(&numeric(&[2, 1, 0x4000, 0, 3, 5])), Some(-30_005));
        // 70,000: the trailing group of zeros is not sent when there is none.
        assert_eq!(whole_number(&numeric(&[1, 2, 0, 0, 7])), Some(700_000_000));
        // A fraction, and not a number.
        assert_eq!(whole_number(&numeric(&[2, 0, 0, 2, 1, 5000])), None);
        assert_eq!(whole_number(&numeric(&[1, 0, 0xC000, 0, 1])), None);
    }
}
