//! Very many events as they are told, as text in pieces: as a value each, and then as one text, they would be in memory twice.

use bytes::Bytes;
use serde_json::value::RawValue;

/// JSON values with commas between them.
#[derive(Debug, Default)]
pub struct Listing {
    pieces: Vec<Bytes>,
    length: usize,
}

impl Listing {
    /// Bytes of all of it.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The text.
    pub fn into_pieces(self) -> Vec<Bytes> {
        self.pieces
    }
}

/// What events are gathered in as they are read, a part at a time.
pub(super) trait Gather: Default + Send + 'static {
    /// Adds a part.
    fn add(&mut self, values: Vec<Box<RawValue>>);
}

impl Gather for Vec<Box<RawValue>> {
    fn add(&mut self, values: Vec<Box<RawValue>>) {
        self.extend(values);
    }
}

impl Gather for Listing {
    fn add(&mut self, values: Vec<Box<RawValue>>) {
        let commas = values.len();
        let mut piece = String::with_capacity(values.iter().map(|value| value.get().len()).sum::<usize>() + commas);
        for value in &values {
            if self.length + piece.len() > 0 {
                piece.push(',');
            }
            piece.push_str(value.get());
        }
        self.length += piece.len();
        self.pieces.push(piece.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn commas_are_between_values_and_nowhere_else() {
        let value = |number: u8| to_raw_value(&number).unwrap();
        let mut listing = Listing::default();
        for values in [vec![], vec![value(1), value(2)], vec![], vec![value(3)]] {
            listing.add(values);
        }
        assert_eq!(listing.length(), 5);
        assert_eq!(listing.into_pieces().concat(), b"1,2,3");
        assert!(Listing::default().into_pieces().is_empty());
    }
}
