//! Bech32 (BIP 173), in which the keys of backups are written: letters that are hard to confuse, and a checksum.

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const CHECKSUM: usize = 6;

fn polymod(values: impl Iterator<Item = u8>) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.fold(1, |sum, value| {
        let top = sum >> 25;
        let mut sum = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        for (bit, part) in GENERATOR.iter().enumerate() {
            if top >> bit & 1 == 1 {
                sum ^= part;
            }
        }
        sum
    })
}

/// What the checksum covers of the prefix.
fn expanded(prefix: &str) -> impl Iterator<Item = u8> + '_ {
    prefix.bytes().map(|byte| byte >> 5).chain(std::iter::once(0)).chain(prefix.bytes().map(|byte| byte & 31))
}

/// 32 bytes with a prefix, in lower case.
pub(super) fn encode(prefix: &str, bytes: &[u8; 32]) -> String {
    let mut values = Vec::with_capacity(52 + CHECKSUM);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            values.push(five(held >> bits));
        }
    }
    if bits > 0 {
        values.push(five(held << (5 - bits)));
    }
    let sum = polymod(expanded(prefix).chain(values.iter().copied()).chain([0; CHECKSUM])) ^ 1;
    values.extend((0..CHECKSUM).map(|index| five(sum >> (5 * (CHECKSUM - 1 - index)))));
    let text = values.iter().map(|value| char::from(ALPHABET[usize::from(*value)]));
    format!("{prefix}1{}", text.collect::<String>())
}

fn five(value: u32) -> u8 {
    u8::try_from(value & 31).unwrap_or_default()
}

/// The 32 bytes of a text with this prefix, in lower or in upper case.
pub(super) fn decode(prefix: &str, text: &str) -> Option<[u8; 32]> {
    let text = if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return None;
        }
        text.to_ascii_lowercase()
    } else {
        text.to_owned()
    };
    let data = text.strip_prefix(prefix)?.strip_prefix('1')?;
    let values: Vec<u8> = data
        .bytes()
        .map(|byte| ALPHABET.iter().position(|letter| *letter == byte).and_then(|at| u8::try_from(at).ok()))
        .collect::<Option<_>>()?;
    if values.len() != 52 + CHECKSUM || polymod(expanded(prefix).chain(values.iter().copied())) != 1 {
        return None;
    }
    let mut bytes = [0; 32];
    let (mut held, mut bits, mut at) = (0_u32, 0, 0);
    for value in &values[..52] {
        held = (held << 5 | u32::from(*value)) & 0xffff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            *bytes.get_mut(at)? = u8::try_from(held >> bits & 0xff).ok()?;
            at += 1;
        }
    }
    // What is left over must be nothing.
    (held & ((1 << bits) - 1) == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_slip_is_noticed() {
        let bytes = std::array::from_fn(|at| u8::try_from(at * 7 % 256).unwrap());
        let text = encode("age", &bytes);
        assert_eq!(decode("age", &text), Some(bytes));
        assert_eq!(decode("age", &text.to_uppercase()), Some(bytes));
        assert_eq!(decode("age-secret-key-", &text), None);
        for at in 4..text.len() {
            let mut slip = text.clone().into_bytes();
            slip[at] = if slip[at] == b'q' { b'p' } else { b'q' };
            assert_eq!(decode("age", std::str::from_utf8(&slip).unwrap()), None, "letter {at}");
        }
    }
}
