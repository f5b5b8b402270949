//! Whether a file may cross where only what is encrypted may: whether it is ciphertext, as far as anybody can see who has not the key.

/// Bytes of a file's beginning that are looked at.
pub const SAMPLE: usize = 64 * 1024;
/// From how many bytes on how often each value stands there says something.
const COUNTED: usize = 1_024;
/// The largest sum of deviations (chi-squared with 255 degrees of freedom) of what may be ciphertext. Ciphertext is above it once in many billions of times:
/// its mean is 255, its standard deviation 22.6.
const DEVIATION: u64 = 480;
/// From how many bytes on a text is no chance: ciphertext of that length is valid UTF-8 less than once in many millions of times.
const TEXT: usize = 32;
/// Beginnings of files that look as random as ciphertext, being compressed. Ciphertext begins like one of these once in a hundred million times.
const KNOWN: [&[u8]; 27] = [
    b"\xff\xd8\xff\xe0",
    b"\xff\xd8\xff\xe1",
    b"\xff\xd8\xff\xe2",
    b"\xff\xd8\xff\xdb",
    b"\xff\xd8\xff\xee",
    b"\x89PNG",
    b"GIF8",
    b"RIFF",
    b"OggS",
    b"fLaC",
    b"ID3\x02",
    b"ID3\x03",
    b"ID3\x04",
    b"%PDF",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b\x08\x00",
    b"\x1f\x8b\x08\x08",
    b"BZh9",
    b"\xfd7zX",
    b"7z\xbc\xaf",
    b"\x28\xb5\x2f\xfd",
    b"Rar!",
    b"\x1a\x45\xdf\xa3",
    b"\x00\x00\x00\x0cJXL",
    b"II*\x00",
    b"MM\x00*",
];

/// Whether a file can be an encrypted one. `content_type` is what its uploader called it, `sample` its first bytes, at most [`SAMPLE`].
///
/// Matrix's encrypted attachments are AES-CTR without a header (client-server, *Sending encrypted attachments*), uploaded as
/// `application/octet-stream`: so nothing in them is more frequent than anything else. Somebody who wants to can make a plain file look like that.
pub fn looks_encrypted(content_type: Option<&str>, sample: &[u8]) -> bool {
    let essence = content_type.map(|text| text.split(';').next().unwrap_or_default().trim());
    if essence.is_some_and(|text| !text.eq_ignore_ascii_case("application/octet-stream")) {
        return false;
    }
    if KNOWN.iter().any(|known| sample.starts_with(known)) || sample.get(4..8) == Some(b"ftyp") {
        return false;
    }
    if sample.len() < COUNTED {
        return sample.len() < TEXT || std::str::from_utf8(sample).is_err();
    }
    let mut counts = [0_u64; 256];
    for byte in sample {
        counts[usize::from(*byte)] += 1;
    }
    let length = sample.len() as u64;
    // The sum of (count - length/256)² / (length/256), without fractions.
    let squares: u64 = counts.iter().map(|count| (count * 256).abs_diff(length).pow(2)).sum();
    squares / (256 * length) <= DEVIATION
}

#[cfg(test)]
mod tests {
    use domicile_core::rng::{Rng as _, SeededRng};

    use super::*;

    fn random(seed: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        SeededRng::new(seed).fill(&mut bytes);
        bytes
    }

    #[test]
    fn ciphertext_of_any_length_is_taken_for_what_it_is() {
        for seed in 0..200 {
            for length in [16, 100, 1_024, 1_500, 10_000, SAMPLE] {
                let bytes = random(seed * 7 + length as u64, length);
                assert!(looks_encrypted(Some("application/octet-stream"), &bytes), "{seed} {length}");
            }
        }
        assert!(looks_encrypted(None, &random(1, 5_000)) && looks_encrypted(None, b""));
    }

    #[test]
    fn what_can_be_read_is_not() {
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(100);
        for length in [TEXT, 100, 1_024, 4_000] {
            assert!(!looks_encrypted(None, &text.as_bytes()[..length]), "{length}");
        }
        assert!(!looks_encrypted(None, "Привет, мир! ".repeat(200).as_bytes()));
        assert!(!looks_encrypted(None, &[0; 4_096]) && !looks_encrypted(None, &vec![b'x'; SAMPLE]));
        // Half of it readable.
        let mut half = random(3, 8_192);
        half[4_096..].copy_from_slice(&text.as_bytes()[..4_096]);
        assert!(!looks_encrypted(None, &half));
    }

    #[test]
    fn compressed_files_and_what_is_called_something_else_are_not() {
        for known in KNOWN {
            assert!(!looks_encrypted(None, &[known, &random(4, 4_096)].concat()), "{known:?}");
        }
        assert!(!looks_encrypted(None, &[b"\x00\x00\x00\x18ftyp".as_slice(), &random(5, 4_096)].concat()));
        let bytes = random(6, 4_096);
        assert!(!looks_encrypted(Some("image/png"), &bytes) && !looks_encrypted(Some(""), &bytes));
        assert!(looks_encrypted(Some("Application/Octet-Stream; x=1"), &bytes));
    }
}
