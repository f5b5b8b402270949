//! Running totals of notifications in a room, by class of push rules.
//!
//! An exact unread count is the total now minus the total where the user has read to, so it costs the same for one message and for a
//! million. Totals only grow. They stand in the room's row and, as they were after it, in each event's row.

use bytes::Bytes;
use smallvec::SmallVec;

/// The totals of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassTotal {
    /// `push_classes.class_num`
    pub class_num: i64,
    /// Events that notified.
    pub notify: i64,
    /// Events that notified with a highlight.
    pub highlight: i64,
    /// Of those that notified, the ones in a thread.
    pub threaded_notify: i64,
    /// Of the highlights, the ones in a thread.
    pub threaded_highlight: i64,
}

/// The totals of all classes of a room. Most rooms have one or two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    classes: SmallVec<[ClassTotal; 1]>,
}

impl Totals {
    /// The totals of a class; zero for one that is not there.
    pub fn of(&self, class_num: i64) -> ClassTotal {
        let found = self.classes.iter().find(|total| total.class_num == class_num);
        found.copied().unwrap_or(ClassTotal { class_num, ..ClassTotal::default() })
    }

    /// Counts an event that notified a class.
    pub fn add(&mut self, class_num: i64, highlight: bool, threaded: bool) {
        let index = self.classes.iter().position(|total| total.class_num == class_num).unwrap_or_else(|| {
            self.classes.push(ClassTotal { class_num, ..ClassTotal::default() });
            self.classes.len() - 1
        });
        let total = &mut self.classes[index];
        total.notify += 1;
        total.highlight += i64::from(highlight);
        total.threaded_notify += i64::from(threaded);
        total.threaded_highlight += i64::from(threaded && highlight);
    }

    /// The stored form: variable-length integers, seven bits a byte.
    pub fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.classes.len() * 8);
        for total in &self.classes {
            for number in
                [total.class_num, total.notify, total.highlight, total.threaded_notify, total.threaded_highlight]
            {
                let mut rest = number.unsigned_abs();
                while rest >= 0x80 {
                    bytes.push(low_seven(rest) | 0x80);
                    rest >>= 7;
                }
                bytes.push(low_seven(rest));
            }
        }
        Bytes::from(bytes)
    }

    /// The totals of a stored form; what cannot be read counts as nothing.
    pub fn decode(bytes: &[u8]) -> Self {
        let mut numbers: SmallVec<[i64; 10]> = SmallVec::new();
        let (mut number, mut shift) = (0_u64, 0_u32);
        for byte in bytes {
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                numbers.push(i64::try_from(number).unwrap_or(i64::MAX));
                (number, shift) = (0, 0);
            } else {
                shift += 7;
            }
        }
        let classes = numbers.chunks_exact(5).map(|numbers| ClassTotal {
            class_num: numbers[0],
            notify: numbers[1],
            highlight: numbers[2],
            threaded_notify: numbers[3],
            threaded_highlight: numbers[4],
        });
        Self { classes: classes.collect() }
    }
}

fn low_seven(number: u64) -> u8 {
    u8::try_from(number & 0x7f).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_come_back_from_their_stored_form() {
        let mut totals = Totals::default();
        for index in 0..1_000 {
            totals.add(1 + index % 3, index % 7 == 0, index % 2 == 0);
        }
        assert_eq!(Totals::decode(&totals.encode()), totals);
        assert_eq!(totals.of(1).notify, 334);
        assert_eq!(totals.of(9), ClassTotal { class_num: 9, ..ClassTotal::default() });
        assert_eq!(Totals::decode(&[0xff; 40]), Totals::default());
    }
}
