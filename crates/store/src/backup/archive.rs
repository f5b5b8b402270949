//! The files of a backup: a tar of manifest, database and media inside an encrypted file.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Component, Path, PathBuf},
};

use domicile_core::rng::{self, Rng};
use zeroize::Zeroizing;

use super::{
    BackupError, BackupOptions, FORMAT, Identity, Manifest, Progress,
    age::{Decrypt, Encrypt},
};

const MANIFEST: &str = "manifest.json";
const DATABASE: &str = "database";
const MEDIA: &str = "media";
/// A manifest and a keystore are not larger than this.
const SMALL: u64 = 512 * 1024 * 1024;

/// A file that is gone when this is dropped, unless it was put in its place.
pub(super) struct Temporary {
    path: PathBuf,
}

impl Temporary {
    /// A name in `folder` that nobody else has; no file yet.
    pub(super) fn new(folder: &Path, rng: &dyn Rng) -> Result<Self, BackupError> {
        fs::create_dir_all(folder).map_err(|source| BackupError::path("cannot make the folder", folder, source))?;
        Ok(Self::at(folder.join(format!("backup-{}.tmp", rng::name(rng, 16)))))
    }

    pub(super) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file durable and gives it its name.
    pub(super) fn put(&self, path: &Path) -> Result<(), BackupError> {
        let put = || -> io::Result<()> {
            File::open(&self.path)?.sync_all()?;
            fs::rename(&self.path, path)?;
            File::open(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?
                .sync_all()
        };
        put().map_err(|source| BackupError::path("cannot write", path, source))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // It may have been put in place, or never made.
        let _gone = fs::remove_file(&self.path);
    }
}

/// A new file that only its owner may read.
pub(super) fn create_private(path: &Path) -> Result<File, BackupError> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|source| BackupError::path("cannot make", path, source))
}

/// `name-2026-11-24T10-05-00Z`: sorts by time.
fn file_name(kind: &str, now_ms: i64) -> String {
    let seconds = now_ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01, counted in eras of 400 years: the leap day is then the last of its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("domicile-{kind}-{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}Z.age")
}

/// Opens a new encrypted file, lets `fill` write into it, and makes it durable.
fn encrypted<T>(
    options: &BackupOptions,
    kind: &str,
    rng: &dyn Rng,
    fill: impl FnOnce(Encrypt<BufWriter<File>>) -> Result<(Encrypt<BufWriter<File>>, T), BackupError>,
) -> Result<(PathBuf, T), BackupError> {
    fs::create_dir_all(&options.folder)
        .map_err(|source| BackupError::path("cannot make the folder", &options.folder, source))?;
    let path = options.folder.join(file_name(kind, options.now_ms));
    if path.exists() {
        return Err(BackupError::Wrong(format!("there is a backup {} already", path.display())));
    }
    let unfinished = Temporary::at(path.with_extension("part"));
    let out = BufWriter::with_capacity(256 * 1024, create_private(unfinished.path())?);
    let (writer, result) = fill(Encrypt::new(out, &options.recipients, rng)?)?;
    writer.finish().map_err(|source| BackupError::path("cannot write", unfinished.path(), source))?;
    unfinished.put(&path)?;
    Ok((path, result))
}

/// A file with a small content.
pub(super) fn write_small(
    options: &BackupOptions,
    kind: &str,
    content: &[u8],
    rng: &dyn Rng,
) -> Result<PathBuf, BackupError> {
    let filled = encrypted(options, kind, rng, |mut writer| {
        writer.write_all(content).map_err(|source| BackupError::file("cannot write the backup", source))?;
        Ok((writer, ()))
    });
    Ok(filled?.0)
}

/// The small content of a file.
pub(super) fn read_small(path: &Path, identity: &Identity) -> Result<Zeroizing<Vec<u8>>, BackupError> {
    let mut content = Zeroizing::new(Vec::new());
    let wrong = |source| BackupError::path("cannot read", path, source);
    open(path, identity)?.take(SMALL).read_to_end(&mut content).map_err(wrong)?;
    Ok(content)
}

pub(super) fn open(path: &Path, identity: &Identity) -> Result<Decrypt<BufReader<File>>, BackupError> {
    let file = File::open(path).map_err(|source| BackupError::path("cannot open", path, source))?;
    Decrypt::new(BufReader::with_capacity(256 * 1024, file), identity)
}

/// The file with database and media. Gives its path and the number of files of media.
pub(super) fn write(
    options: &BackupOptions,
    manifest: &Manifest,
    database: &Path,
    media: &Path,
    rng: &dyn Rng,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(PathBuf, u64), BackupError> {
    encrypted(options, "data", rng, |writer| {
        let mut tar = tar::Builder::new(writer);
        let told = serde_json::to_vec_pretty(manifest).map_err(|error| BackupError::Wrong(error.to_string()))?;
        append(&mut tar, MANIFEST, told.len() as u64, options.now_ms, told.as_slice())?;
        let wrong = |source| BackupError::path("cannot read", database, source);
        let file = File::open(database).map_err(wrong)?;
        append(&mut tar, DATABASE, file.metadata().map_err(wrong)?.len(), options.now_ms, file)?;
        let files = append_media(&mut tar, media, options.now_ms, progress)?;
        let writer = tar.into_inner().map_err(|source| BackupError::file("cannot write the backup", source))?;
        Ok((writer, files))
    })
}

fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    name: &str,
    size: u64,
    now_ms: i64,
    content: impl Read,
) -> Result<(), BackupError> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(now_ms / 1000).unwrap_or_default());
    let wrong = |source| BackupError::File { what: format!("cannot write {name} into the backup"), source };
    tar.append_data(&mut header, name, content.take(size)).map_err(wrong)
}

fn append_media<W: Write>(
    tar: &mut tar::Builder<W>,
    media: &Path,
    now_ms: i64,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<u64, BackupError> {
    let (mut files, mut bytes) = (0, 0);
    for first in 0..=u8::MAX {
        let folder = media.join(format!("{first:02x}"));
        let mut names: Vec<String> = match fs::read_dir(&folder) {
            Ok(entries) => entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(BackupError::path("cannot list", &folder, source)),
        };
        names.retain(|name| name.len() == 62 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
        names.sort_unstable();
        for name in names {
            // One that is deleted meanwhile need not be in the backup.
            let Ok(file) = File::open(folder.join(&name)) else { continue };
            let size = file.metadata().map_err(|source| BackupError::path("cannot look at", &folder, source))?.len();
            append(tar, &format!("{MEDIA}/{first:02x}/{name}"), size, now_ms, file)?;
            files += 1;
            bytes += size;
        }
        progress(Progress::Media { files, bytes });
    }
    Ok(files)
}

/// Refuses a folder in which there is something.
pub(super) fn check_empty(folder: &Path) -> Result<(), BackupError> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    // The empty folder of unfinished uploads is made at every start.
    let mut others = files.filter(|entry| fs::remove_dir(entry.path()).is_err());
    match others.next() {
        None => Ok(()),
        Some(_) => Err(BackupError::Wrong(format!(
            "there are files in {} already: move them away, or restore into another data folder",
            folder.display()
        ))),
    }
}

/// Unpacks database and media. Gives the manifest and the number of files of media.
pub(super) fn unpack(
    path: &Path,
    identity: &Identity,
    engine: &str,
    database: &Path,
    media: &Path,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(Manifest, u64), BackupError> {
    let wrong = |source| BackupError::path("cannot read", path, source);
    let mut tar = tar::Archive::new(open(path, identity)?);
    let mut manifest = None;
    let mut has_database = false;
    let (mut files, mut bytes) = (0, 0);
    for entry in tar.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let name = entry.path().map_err(wrong)?.into_owned();
        match (parts(&name).as_slice(), &manifest) {
            ([MANIFEST], None) => manifest = Some(read_manifest(&mut entry, engine)?),
            ([DATABASE], Some(_)) => {
                save(&mut entry, database)?;
                has_database = true;
            }
            ([MEDIA, folder, file], Some(_)) if is_hex(folder, 2) && is_hex(file, 62) => {
                let folder = media.join(folder);
                fs::create_dir_all(&folder).map_err(|source| BackupError::path("cannot make", &folder, source))?;
                bytes += save(&mut entry, &folder.join(file))?;
                files += 1;
                progress(Progress::Media { files, bytes });
            }
            _ => return Err(BackupError::Wrong(format!("{} does not belong into a backup", name.display()))),
        }
    }
    // To the very end: the last bytes show that nothing was cut off.
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(wrong)?;
    sync_folders(media)?;
    match manifest {
        Some(manifest) if has_database => Ok((manifest, files)),
        _ => Err(BackupError::Wrong(format!("{} holds no database: it is not the data of a backup", path.display()))),
    }
}

/// The names of a path; what is no plain name becomes one that fits nowhere.
fn parts(path: &Path) -> Vec<&str> {
    path.components()
        .map(|component| match component {
            Component::Normal(name) => name.to_str().unwrap_or_default(),
            _ => "",
        })
        .collect()
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn read_manifest(from: &mut impl Read, engine: &str) -> Result<Manifest, BackupError> {
    let manifest: Manifest = serde_json::from_reader(from.take(SMALL))
        .map_err(|error| BackupError::Wrong(format!("the backup's manifest cannot be read: {error}")))?;
    if manifest.format != FORMAT {
        return Err(BackupError::Wrong(format!(
            "the backup has the form {}, this program reads {FORMAT}: take the program that made it",
            manifest.format
        )));
    }
    if manifest.engine != engine {
        return Err(BackupError::Wrong(format!(
            "the backup is of {}, and the configuration says {engine}: restore it into the engine that it came from",
            manifest.engine
        )));
    }
    Ok(manifest)
}

fn save(from: &mut impl Read, path: &Path) -> Result<u64, BackupError> {
    let wrong = |source| BackupError::path("cannot write", path, source);
    let mut file = create_private(path)?;
    let bytes = io::copy(from, &mut file).map_err(wrong)?;
    file.sync_all().map_err(wrong)?;
    Ok(bytes)
}

/// Makes the names of restored files durable.
fn sync_folders(media: &Path) -> Result<(), BackupError> {
    for entry in fs::read_dir(media).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
        let synced = File::open(entry.path()).and_then(|folder| folder.sync_all());
        synced.map_err(|source| BackupError::path("cannot sync", &entry.path(), source))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_time() {
        assert_eq!(file_name("data", 0), "domicile-data-1970-01-01T00-00-00Z.age");
        assert_eq!(file_name("data", 951_782_400_000), "domicile-data-2000-02-29T00-00-00Z.age");
        assert_eq!(file_name("keys", 1_795_514_700_999), "domicile-keys-2026-11-24T10-05-00Z.age");
    }

    #[test]
    fn only_plain_names_are_unpacked() {
        assert_eq!(parts(Path::new("media/ab/cd")), ["media", "ab", "cd"]);
        for evil in ["/manifest.json", "../manifest.json", "media/../../x", "./manifest.json"] {
            let parts = parts(Path::new(evil));
            assert!(parts.iter().any(|part| part.is_empty()) || parts.len() == 2, "{evil}: {parts:?}");
            assert_ne!(parts, [MANIFEST], "{evil}");
        }
    }
}
