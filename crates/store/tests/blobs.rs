//! Blobs: what goes in comes out, in whole and in ranges, for its owner alone, and nothing readable lies on the disk.

#![expect(clippy::expect_used, reason = "a test ends where something goes wrong")]

use std::{fs, path::Path, sync::Arc};

use domicile_core::{ids::UserNum, rng::SeededRng};
use domicile_store::{BlobId, Blobs, Keystore, KeystoreOptions, KeystorePlace, MasterSource, UserKey, blob::BlobError};
use tempfile::TempDir;

struct Fixture {
    folder: TempDir,
    blobs: Blobs,
    keystore: Keystore,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = KeystoreOptions {
            place: KeystorePlace::Sqlite { path: folder.path().join("keystore.db") },
            master: MasterSource::File(folder.path().join("master.key")),
            cached: 10,
        };
        let keystore = Keystore::open(options, Arc::new(SeededRng::new(1)), 0).await.expect("the keystore opens");
        let blobs = Blobs::open(folder.path().join("media")).await.expect("the folder opens");
        Self { folder, blobs, keystore }
    }

    async fn key(&self, number: i64) -> UserKey {
        self.keystore.create(UserNum(number)).await.expect("a key")
    }

    /// All files below the folder of the media.
    fn files(&self) -> Vec<std::path::PathBuf> {
        fn walk(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() { walk(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        walk(&self.folder.path().join("media"), &mut found);
        found
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).expect("small")).collect()
}

async fn store(fixture: &Fixture, key: &UserKey, content: &[u8], pieces: usize) -> (BlobId, u64) {
    let mut writer = fixture.blobs.writer(key, 10_000_000).await.expect("a writer");
    for piece in content.chunks(pieces) {
        writer.write(piece).await.expect("the piece is written");
    }
    writer.finish().await.expect("the blob is whole")
}

#[tokio::test]
async fn what_goes_in_comes_out_whatever_its_size() {
    let fixture = Fixture::new().await;
    let key = fixture.key(1).await;
    for length in [0, 1, 65_535, 65_536, 65_537, 262_144, 262_145, 1_000_003] {
        let content = content(length);
        let (id, size) = store(&fixture, &key, &content, 7_001).await;
        assert_eq!(size, length as u64);
        assert_eq!(store(&fixture, &key, &content, length.max(1)).await.0, id, "one name, however it came");
        let reader = fixture.blobs.reader(&key, id).await.expect("the blob is there");
        assert_eq!(reader.size(), size);
        assert_eq!(reader.read_all().await.expect("it opens"), content, "{length} bytes");
        for (from, to) in
            [(0, 1), (length / 2, length / 2 + 100), (65_530, 65_540), (length, length + 5), (5, usize::MAX)]
        {
            let reader = fixture.blobs.reader(&key, id).await.expect("the blob is there");
            let read = reader.range(from as u64..to as u64).read_all().await.expect("it opens");
            let to = to.min(length);
            assert_eq!(read, content[from.min(to)..to], "{from}..{to} of {length} bytes");
        }
    }
    assert_eq!(fixture.files().len(), 8);
}

#[tokio::test]
async fn only_the_owner_opens_it_and_nothing_readable_lies_on_the_disk() {
    let fixture = Fixture::new().await;
    let (alice, bob) = (fixture.key(1).await, fixture.key(2).await);
    let content = "the plaintext of a picture ".repeat(10_000).into_bytes();
    let (hers, _) = store(&fixture, &alice, &content, 4_096).await;
    let (his, _) = store(&fixture, &bob, &content, 4_096).await;
    assert_ne!(hers, his, "names must not tell that two people have the same file");
    let reader = fixture.blobs.reader(&bob, hers).await.expect("the file is there");
    assert!(reader.read_all().await.is_err());
    for path in fixture.files() {
        let bytes = fs::read(&path).expect("the file can be read");
        assert!(!bytes.windows(9).any(|window| window == b"plaintext"));
    }
    fixture.keystore.destroy(UserNum(1)).await.expect("the key is destroyed");
    assert!(fixture.keystore.key_of(UserNum(1)).await.is_err());
}

#[tokio::test]
async fn a_changed_or_cut_file_does_not_open() {
    let fixture = Fixture::new().await;
    let key = fixture.key(1).await;
    let (id, _) = store(&fixture, &key, &content(200_000), 50_000).await;
    let path = fixture.files().pop().expect("the file");
    let whole = fs::read(&path).expect("the file can be read");
    let refused = async || match fixture.blobs.reader(&key, id).await {
        Ok(reader) => reader.read_all().await.is_err(),
        Err(_) => true,
    };
    for at in [0, 4, 22, 23, 70_000, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&path, changed).expect("the file can be written");
        assert!(refused().await, "byte {at}");
    }
    for length in [0, 10, 23, 23 + 65_552, 23 + 2 * 65_552, whole.len() - 1] {
        fs::write(&path, &whole[..length]).expect("the file can be written");
        assert!(refused().await, "cut to {length}");
    }
    let swapped =
        [&whole[..23], &whole[23 + 65_552..23 + 2 * 65_552], &whole[23..23 + 65_552], &whole[23 + 2 * 65_552..]];
    fs::write(&path, swapped.concat()).expect("the file can be written");
    assert!(refused().await, "chunks in another order");
    fs::write(&path, &whole).expect("the file can be written");
    assert!(!refused().await);
}

#[tokio::test]
async fn what_is_too_large_or_given_up_leaves_nothing() {
    let fixture = Fixture::new().await;
    let key = fixture.key(1).await;
    let mut writer = fixture.blobs.writer(&key, 100_000).await.expect("a writer");
    writer.write(&content(100_000)).await.expect("it fits");
    assert!(matches!(writer.write(b"x").await, Err(BlobError::TooLarge(100_000))));
    assert!(writer.finish().await.is_err());
    let mut writer = fixture.blobs.writer(&key, 1_000_000).await.expect("a writer");
    writer.write(&content(900_000)).await.expect("it fits");
    drop(writer);
    assert!(fixture.files().is_empty());
    // Killed in the middle: the next start clears up.
    fs::write(fixture.folder.path().join("media/new/left"), "x").expect("a file");
    Blobs::open(fixture.folder.path().join("media")).await.expect("the folder opens");
    assert!(fixture.files().is_empty());
}

#[tokio::test]
async fn stored_files_can_be_listed_and_removed() {
    let fixture = Fixture::new().await;
    let key = fixture.key(1).await;
    let (id, _) = store(&fixture, &key, b"x", 1).await;
    let listed = fixture.blobs.beginning_with(id.0[0]).await.expect("a list");
    assert_eq!(listed.iter().map(|stored| stored.id).collect::<Vec<_>>(), [id]);
    assert!(fixture.blobs.beginning_with(id.0[0].wrapping_add(1)).await.expect("a list").is_empty());
    fixture.blobs.remove(id).await.expect("it is removed");
    fixture.blobs.remove(id).await.expect("twice is no error");
    assert!(matches!(fixture.blobs.reader(&key, id).await, Err(BlobError::NotFound)));
}
