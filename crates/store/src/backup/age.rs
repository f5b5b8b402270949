//! The age format, version 1, with X25519 recipients: what `age` and `rage` read and write, so that a backup can be opened without us.
//!
//! A header carries the file's key for each recipient; the content follows in chunks of 64 KiB, of which each knows its number and whether
//! it is the last.

use std::io::{self, BufRead, Read, Write};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{Aead, generic_array::GenericArray},
};
use curve25519_dalek::MontgomeryPoint;
use domicile_core::rng::{self, Rng};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{BackupError, bech32};
use crate::seal::mac;

const INTRODUCTION: &str = "age-encryption.org/v1";
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
/// Lines of a header that are read before it is given up: nobody has so many recipients.
const HEADER_LINES: usize = 200;

/// To whom a backup is encrypted: `age1…`. Opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

impl Recipient {
    /// Reads `age1…`.
    pub fn parse(text: &str) -> Result<Self, BackupError> {
        bech32::decode("age", text.trim()).map(Self).ok_or_else(|| {
            BackupError::Wrong(format!(
                "{:?} is no public key for backups; they look like age1… and have 62 letters",
                text.trim()
            ))
        })
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&bech32::encode("age", &self.0))
    }
}

/// What opens a backup: `AGE-SECRET-KEY-1…`. Keep it away from the server.
pub struct Identity(Zeroizing<[u8; 32]>);

impl Identity {
    /// A new one.
    pub fn generate(rng: &dyn Rng) -> Self {
        Self(Zeroizing::new(rng::bytes(rng)))
    }

    /// Reads `AGE-SECRET-KEY-1…`, or a file of such lines with comments, of which the first key counts.
    pub fn parse(text: &str) -> Result<Self, BackupError> {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        line.and_then(|line| bech32::decode("age-secret-key-", line)).map(|key| Self(Zeroizing::new(key))).ok_or_else(
            || BackupError::Wrong("that is no secret key for backups; they look like AGE-SECRET-KEY-1…".to_owned()),
        )
    }

    /// What backups for it are encrypted to.
    pub fn recipient(&self) -> Recipient {
        Recipient(MontgomeryPoint::mul_base_clamped(*self.0).to_bytes())
    }

    /// The key as text.
    pub fn secret(&self) -> Zeroizing<String> {
        Zeroizing::new(bech32::encode("age-secret-key-", &self.0).to_ascii_uppercase())
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(secret)")
    }
}

/// HKDF-SHA-256 to 32 bytes.
fn derive(key: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    // HMAC fills a key of less than a block with zeros, and hashes a longer one.
    let extracted = Zeroizing::new(hmac(salt, &[key]));
    Zeroizing::new(mac(&extracted, &[info, &[1]]))
}

/// HMAC-SHA-256 with a key of any length.
fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    use hmac::{Hmac, Mac};
    let Ok(mut sum) = <Hmac<sha2::Sha256> as Mac>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        sum.update(part);
    }
    sum.finalize().into_bytes().into()
}

fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(GenericArray::from_slice(key))
}

/// The key under which a recipient finds the file's key.
fn wrapping(shared: MontgomeryPoint, share: &[u8; 32], recipient: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let shared = Zeroizing::new(shared.to_bytes());
    // A share that makes the secret known to everybody.
    if bool::from(shared.ct_eq(&[0; 32])) {
        return None;
    }
    Some(derive(shared.as_slice(), &[&share[..], recipient].concat(), b"age-encryption.org/v1/X25519"))
}

fn nonce(number: u64, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(last);
    nonce
}

/// Encrypts what is written to it.
pub(super) struct Encrypt<W: Write> {
    out: W,
    key: Zeroizing<[u8; 32]>,
    number: u64,
    held: Vec<u8>,
}

impl<W: Write> Encrypt<W> {
    pub(super) fn new(mut out: W, recipients: &[Recipient], rng: &dyn Rng) -> Result<Self, BackupError> {
        let file_key = Zeroizing::new(rng::bytes::<16>(rng));
        let mut header = format!("{INTRODUCTION}\n");
        for recipient in recipients {
            let secret = Zeroizing::new(rng::bytes::<32>(rng));
            let share = MontgomeryPoint::mul_base_clamped(*secret).to_bytes();
            let shared = MontgomeryPoint(recipient.0).mul_clamped(*secret);
            let wrong = || BackupError::Wrong(format!("{recipient} is no key that can be encrypted to"));
            let key = wrapping(shared, &share, &recipient.0).ok_or_else(wrong)?;
            let wrapped = cipher(&key).encrypt(&[0; 12].into(), file_key.as_slice()).map_err(|_| wrong())?;
            for part in [
                "-> X25519 ",
                &BASE64_STANDARD_NO_PAD.encode(share),
                "\n",
                &BASE64_STANDARD_NO_PAD.encode(wrapped),
                "\n",
            ] {
                header.push_str(part);
            }
        }
        header.push_str("---");
        let sum = mac(&derive(file_key.as_slice(), &[], b"header"), &[header.as_bytes()]);
        let salt = rng::bytes::<16>(rng);
        let write = |out: &mut W| -> io::Result<()> {
            out.write_all(header.as_bytes())?;
            writeln!(out, " {}", BASE64_STANDARD_NO_PAD.encode(sum))?;
            out.write_all(&salt)
        };
        write(&mut out).map_err(|source| BackupError::file("cannot write the backup", source))?;
        Ok(Self {
            out,
            key: derive(file_key.as_slice(), &salt, b"payload"),
            number: 0,
            held: Vec::with_capacity(2 * CHUNK),
        })
    }

    fn chunk(&mut self, length: usize, last: bool) -> io::Result<()> {
        let sealed = cipher(&self.key)
            .encrypt(&nonce(self.number, last).into(), &self.held[..length])
            .map_err(|_| io::Error::other("the backup could not be encrypted"))?;
        self.out.write_all(&sealed)?;
        self.held.drain(..length);
        self.number += 1;
        Ok(())
    }

    /// Ends the content and gives back where it went.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.chunk(self.held.len(), true)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Encrypt<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK);
        self.held.extend_from_slice(&bytes[..taken]);
        // The last chunk is marked as the last: something at least stays back.
        if self.held.len() > CHUNK {
            self.chunk(CHUNK, false)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Decrypts what is read from it. No byte is given that was not authenticated.
pub(super) struct Decrypt<R: Read> {
    from: R,
    key: Zeroizing<[u8; 32]>,
    number: u64,
    /// Encrypted bytes that were read ahead, to know whether a chunk is the last.
    ahead: Vec<u8>,
    opened: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: BufRead> Decrypt<R> {
    pub(super) fn new(mut from: R, identity: &Identity) -> Result<Self, BackupError> {
        let file_key = read_header(&mut from, identity)?;
        let mut salt = [0; 16];
        from.read_exact(&mut salt).map_err(|source| BackupError::file("cannot read the backup", source))?;
        let key = derive(file_key.as_slice(), &salt, b"payload");
        Ok(Self { from, key, number: 0, ahead: Vec::new(), opened: Vec::new(), at: 0, ended: false })
    }
}

fn read_header(from: &mut impl BufRead, identity: &Identity) -> Result<Zeroizing<[u8; 16]>, BackupError> {
    let wrong = || BackupError::Wrong("this file is no backup: it does not begin like one".to_owned());
    let mut covered = String::new();
    let mut share: Option<[u8; 32]> = None;
    let mut file_key = None;
    for index in 0..HEADER_LINES {
        let mut line = String::new();
        from.take(1_000).read_line(&mut line).map_err(|_| wrong())?;
        let text = line.strip_suffix('\n').ok_or_else(wrong)?;
        if index == 0 {
            if text != INTRODUCTION {
                return Err(wrong());
            }
        } else if let Some(sum) = text.strip_prefix("--- ") {
            covered.push_str("---");
            let missing = || BackupError::Wrong("the backup is encrypted to another key".to_owned());
            let file_key: Zeroizing<[u8; 16]> = file_key.ok_or_else(missing)?;
            let right = mac(&derive(file_key.as_slice(), &[], b"header"), &[covered.as_bytes()]);
            let given = BASE64_STANDARD_NO_PAD.decode(sum).map_err(|_| wrong())?;
            if !bool::from(right.as_slice().ct_eq(&given)) {
                return Err(BackupError::Wrong("the head of the backup was changed".to_owned()));
            }
            return Ok(file_key);
        } else if let Some(stanza) = text.strip_prefix("-> ") {
            let decoded = stanza.strip_prefix("X25519 ").and_then(|share| BASE64_STANDARD_NO_PAD.decode(share).ok());
            share = decoded.and_then(|share| share.try_into().ok());
        } else if let Some(share) = share.take() {
            file_key = file_key.or_else(|| unwrap(identity, &share, text));
        }
        covered.push_str(&line);
    }
    Err(wrong())
}

fn unwrap(identity: &Identity, share: &[u8; 32], body: &str) -> Option<Zeroizing<[u8; 16]>> {
    let body = BASE64_STANDARD_NO_PAD.decode(body).ok()?;
    let shared = MontgomeryPoint(*share).mul_clamped(*identity.0);
    let key = wrapping(shared, share, &identity.recipient().0)?;
    let opened = Zeroizing::new(cipher(&key).decrypt(&[0; 12].into(), body.as_slice()).ok()?);
    Some(Zeroizing::new(opened.as_slice().try_into().ok()?))
}

impl<R: Read> Decrypt<R> {
    fn next_chunk(&mut self) -> io::Result<()> {
        let changed = || io::Error::new(io::ErrorKind::InvalidData, "the backup was changed or cut short");
        let wanted = CHUNK + TAG + 1;
        let missing = wanted.saturating_sub(self.ahead.len());
        (&mut self.from).take(missing as u64).read_to_end(&mut self.ahead)?;
        let last = self.ahead.len() < wanted;
        let length = self.ahead.len().min(CHUNK + TAG);
        let opened = cipher(&self.key).decrypt(&nonce(self.number, last).into(), &self.ahead[..length]);
        self.opened = opened.map_err(|_| changed())?;
        // Only an empty content has an empty last chunk.
        if self.opened.is_empty() && self.number > 0 {
            return Err(changed());
        }
        self.ahead.drain(..length);
        self.number += 1;
        self.at = 0;
        self.ended = last;
        Ok(())
    }
}

impl<R: Read> Read for Decrypt<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.opened.len() {
            if self.ended {
                return Ok(0);
            }
            self.next_chunk()?;
        }
        let given = into.len().min(self.opened.len() - self.at);
        into[..given].copy_from_slice(&self.opened[self.at..self.at + given]);
        self.at += given;
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use domicile_core::rng::SeededRng;

    use super::*;

    fn encrypted(content: &[u8], recipients: &[Recipient]) -> Vec<u8> {
        let mut writer = Encrypt::new(Vec::new(), recipients, &SeededRng::new(7)).unwrap();
        writer.write_all(content).unwrap();
        writer.finish().unwrap()
    }

    fn decrypted(bytes: &[u8], identity: &Identity) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        Decrypt::new(bytes, identity).ok()?.read_to_end(&mut content).ok()?;
        Some(content)
    }

    #[test]
    fn each_recipient_opens_it_and_nobody_else() {
        let [alice, bob, eve] = [1, 2, 3].map(|seed| Identity::generate(&SeededRng::new(seed)));
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let content = vec![5; length];
            let bytes = encrypted(&content, &[alice.recipient(), bob.recipient()]);
            assert_eq!(decrypted(&bytes, &alice).as_ref(), Some(&content));
            assert_eq!(decrypted(&bytes, &bob).as_ref(), Some(&content));
            assert_eq!(decrypted(&bytes, &eve), None);
        }
    }

    #[test]
    fn changes_and_cuts_are_noticed() {
        let alice = Identity::generate(&SeededRng::new(1));
        let bytes = encrypted(&vec![5; 2 * CHUNK + 100], &[alice.recipient()]);
        for at in (0..200).chain([CHUNK, 2 * CHUNK + 10, bytes.len() - 1]) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(decrypted(&changed, &alice), None, "byte {at}");
        }
        let payload = bytes.len() - (2 * CHUNK + 100 + 3 * TAG);
        for length in [0, 10, payload, payload + CHUNK + TAG, payload + 2 * (CHUNK + TAG), bytes.len() - 1] {
            assert_eq!(decrypted(&bytes[..length], &alice), None, "cut to {length}");
        }
    }

    /// "written by rage\n", by rage, with a stanza of random words among the recipients.
    const BY_RAGE: &str = concat!(
        "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBMUFB4Y1hJaVhvSjJFOHA1YVdtd2lBdnJVbXlCS3ZVWWk2VGI5aFF5WlhR",
        "CitDZklLMTZobTBKUG1CN0wveUFGalJBeElzcjF6blk2bGNyVGU5SThpeUUKLT4gRFhKXFhRPHgtZ3JlYXNlClNwUEorNzRSeU9q",
        "eDBURFRTOU4zTnY2VkgwbUNDK1kwL0U1SkVCQmpSN0k4amt0UGVWK2VCR3FvK3pUNzlvVHcKa1hpL2p3VllKaFIvaVEKLS0tIDZJ",
        "Y1ZZRUo0RGlMa3I4Z1BVRDJOVVNIWkJaMXk0MlRNRytIdmhxMUl5MHMKsAASW9j/0ZP9hSTwc/kZHDvrjMkA/pfB9xEodZ8eFo6K",
        "olasAymzoRq1IIDD8Uov",
    );

    #[test]
    fn what_the_tools_of_the_format_write_is_read() {
        let text = "AGE-SECRET-KEY-1W7J45ARLVF8YQ6NREA4FVF5U5QGX6R0LMKKVWLYUQ097F206V7UQSVXTG0";
        let identity = Identity::parse(text).unwrap();
        let recipient = "age1cdn4za5v89cakfwr2a7gw8kmu40p0528herqnz76tfqy3enefpmqv93j9q";
        assert_eq!(identity.recipient().to_string(), recipient);
        assert_eq!(*identity.secret(), text);
        let bytes = base64::prelude::BASE64_STANDARD.decode(BY_RAGE).unwrap();
        assert_eq!(decrypted(&bytes, &identity).unwrap(), b"written by rage\n");
    }

    #[test]
    fn keys_are_written_as_the_tools_of_the_format_write_them() {
        let identity = Identity::generate(&SeededRng::new(1));
        assert!(identity.secret().starts_with("AGE-SECRET-KEY-1"));
        let text = format!("# created: today\n{}\n", *identity.secret());
        assert_eq!(Identity::parse(&text).unwrap().recipient(), identity.recipient());
        assert_eq!(Recipient::parse(&identity.recipient().to_string()).unwrap(), identity.recipient());
        assert!(Recipient::parse("age1xyz").is_err());
    }
}
