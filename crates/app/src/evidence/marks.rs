//! Marks by number: one byte for each number that is in use, in blocks, so that ten million people take ten megabytes.

use std::collections::HashMap;

/// Numbers of one block.
const BLOCK: i64 = 1 << 14;

/// Marks.
#[derive(Default)]
pub(super) struct Marks {
    blocks: HashMap<i64, Vec<u8>>,
}

impl Marks {
    /// Adds a mark to a number.
    pub(super) fn add(&mut self, number: i64, mark: u8) {
        let (block, at) = place(number);
        let bytes = self.blocks.entry(block).or_insert_with(|| vec![0; usize::try_from(BLOCK).unwrap_or_default()]);
        if let Some(byte) = bytes.get_mut(at) {
            *byte |= mark;
        }
    }

    /// The marks of a number.
    pub(super) fn of(&self, number: i64) -> u8 {
        let (block, at) = place(number);
        self.blocks.get(&block).and_then(|bytes| bytes.get(at)).copied().unwrap_or_default()
    }

    /// Whether a number has a mark.
    pub(super) fn has(&self, number: i64, mark: u8) -> bool {
        self.of(number) & mark != 0
    }
}

fn place(number: i64) -> (i64, usize) {
    (number.div_euclid(BLOCK), usize::try_from(number.rem_euclid(BLOCK)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_kept_apart() {
        let mut marks = Marks::default();
        for number in [i64::MIN, -1, 0, 1, BLOCK - 1, BLOCK, i64::MAX] {
            assert_eq!(marks.of(number), 0, "{number}");
            marks.add(number, 2);
            marks.add(number, 4);
            assert_eq!(marks.of(number), 6, "{number}");
        }
        assert!(marks.has(0, 4) && !marks.has(0, 1) && !marks.has(2, 4));
    }
}
