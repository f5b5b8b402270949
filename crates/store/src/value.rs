//! Values that statements take, the same on both engines.

use bytes::Bytes;

/// A parameter of a statement, or a column of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// An integer; truth is 0 or 1.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Bytes),
    /// The n-th (from 0) of the positions that the batch asked for: known only when the batch is committed.
    Position(u32),
}

impl Value {
    /// Whether it is a text with a NUL character in it.
    pub(crate) fn has_nul(&self) -> bool {
        matches!(self, Self::Text(text) if text.contains('\0'))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Bytes> for Value {
    fn from(value: Bytes) -> Self {
        Self::Blob(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(Bytes::from(value))
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Blob(Bytes::copy_from_slice(value))
    }
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(value: [u8; N]) -> Self {
        Self::Blob(Bytes::copy_from_slice(&value))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! from_numbers {
    ($($number:ident),*) => {$(
        impl From<domicile_core::ids::$number> for Value {
            fn from(number: domicile_core::ids::$number) -> Self {
                Self::Int(number.0)
            }
        }
    )*};
}

from_numbers!(UserNum, DeviceNum, RoomNum, EventNum, KeyNum, NodeNum, DestinationNum, Position);

/// A list of integers as one parameter, for `IN INTS($n)` (`engine/dialect.rs`).
pub fn int_list<I: Into<i64>>(numbers: impl IntoIterator<Item = I>) -> Value {
    let mut text = String::from("[");
    for (index, number) in numbers.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&number.into().to_string());
    }
    text.push(']');
    Value::Text(text)
}

/// A list of texts as one parameter, for `IN TEXTS($n)` (`engine/dialect.rs`). No stored text has a NUL character, so one that has is left out.
pub fn text_list<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Value {
    let items: Vec<serde_json::Value> =
        texts.into_iter().filter(|text| !text.as_ref().contains('\0')).map(|text| text.as_ref().into()).collect();
    Value::Text(serde_json::Value::Array(items).to_string())
}

/// A list of bytes as one parameter, for `FROM BLOBS($n)` (`engine/dialect.rs`).
pub fn blob_list<B: AsRef<[u8]>>(blobs: impl IntoIterator<Item = B>) -> Value {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut text = String::from("[");
    for (index, blob) in blobs.into_iter().enumerate() {
        text.push_str(if index > 0 { ",\"" } else { "\"" });
        for byte in blob.as_ref() {
            text.push(DIGITS[usize::from(byte >> 4)]);
            text.push(DIGITS[usize::from(byte & 15)]);
        }
        text.push('"');
    }
    text.push(']');
    Value::Text(text)
}

/// Parameters of a statement: `params![user_num, "m.room.name", None::<i64>]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { ::std::vec::Vec::<$crate::Value>::from([$($crate::Value::from($value)),*]) };
}
