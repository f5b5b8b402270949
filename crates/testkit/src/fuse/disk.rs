//! The disk: its folders and files as programs see them, and as a power cut would leave them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fuser::{Errno, FileAttr, FileType, INodeNo};

use super::content::{Content, Unsynced, coin};

/// The number of the uppermost folder.
const ROOT: u64 = 1;
/// Where, in the backing folder, the files lie by name while nothing is mounted.
const TREE: &str = "tree";
/// Where their durable bytes lie by number while the disk is mounted.
const OBJECTS: &str = "objects";

/// A disk over a backing folder. See the [module](super) for what it promises.
#[derive(Debug)]
pub struct Disk {
    backing: PathBuf,
    nodes: BTreeMap<u64, Node>,
    next: u64,
    has_power: bool,
}

/// A file, folder or socket.
#[derive(Debug)]
struct Node {
    what: What,
    mode: u16,
    uid: u32,
    gid: u32,
    changed: SystemTime,
    /// How many programs have it open, and how many names it has now and after a power cut. With none of each it is gone.
    opened: u32,
    names: u32,
    durable_names: u32,
}

#[derive(Debug)]
enum What {
    File(Content),
    Folder(Folder),
    /// Exists while its program runs; never durable.
    Socket,
}

type Entries = BTreeMap<OsString, u64>;

#[derive(Debug, Default)]
struct Folder {
    entries: Entries,
    durable: Entries,
}

/// What is to be made by [`Disk::make`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Socket,
}

type Answer<T> = Result<T, Errno>;

impl Disk {
    /// Takes over the files in `backing`, which a former [`Self::store`] left there.
    pub(super) fn load(backing: &Path) -> io::Result<Self> {
        let objects = backing.join(OBJECTS);
        if objects.exists() {
            let what =
                format!("{} is there: the disk was not unmounted, and what it held is not whole", objects.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        fs::create_dir(&objects)?;
        let tree = backing.join(TREE);
        fs::create_dir_all(&tree)?;
        let mut disk = Self { backing: backing.to_owned(), nodes: BTreeMap::new(), next: ROOT, has_power: true };
        disk.load_folder(&tree)?;
        Ok(disk)
    }

    fn load_folder(&mut self, place: &Path) -> io::Result<u64> {
        let number = self.number();
        let mut entries = Entries::new();
        for entry in fs::read_dir(place)? {
            let entry = entry?;
            let child = if entry.file_type()?.is_dir() {
                self.load_folder(&entry.path())?
            } else {
                let child = self.number();
                let object = self.object(child);
                fs::rename(entry.path(), &object)?;
                self.nodes.insert(child, Node::load(What::File(Content::open(object.clone())?), &object)?);
                child
            };
            entries.insert(entry.file_name(), child);
        }
        let folder = Folder { entries: entries.clone(), durable: entries };
        self.nodes.insert(number, Node::load(What::Folder(folder), place)?);
        Ok(number)
    }

    /// Cuts the power.
    pub(super) fn cut(&mut self, unsynced: Unsynced) -> io::Result<()> {
        self.has_power = false;
        let mut coin = coin(unsynced);
        for node in self.nodes.values_mut() {
            if let What::File(content) = &mut node.what {
                content.lose(&mut coin)?;
            }
        }
        Ok(())
    }

    /// Lays the files out by name in the backing folder again; with power everything, without what was durable.
    pub(super) fn store(&mut self) -> io::Result<()> {
        if self.has_power {
            for node in self.nodes.values_mut() {
                match &mut node.what {
                    What::File(content) => content.sync()?,
                    What::Folder(folder) => folder.durable = folder.entries.clone(),
                    What::Socket => {}
                }
            }
            self.has_power = false;
        }
        let tree = self.backing.join(TREE);
        fs::remove_dir_all(&tree)?;
        self.store_folder(ROOT, &tree, &mut BTreeSet::new())?;
        fs::remove_dir_all(self.backing.join(OBJECTS))
    }

    /// A folder that was moved while only one of two parents was synced is durable under both names: `done` keeps the
    /// first.
    fn store_folder(&self, number: u64, place: &Path, done: &mut BTreeSet<u64>) -> io::Result<()> {
        let Some(node) = self.nodes.get(&number) else { return Ok(()) };
        if let What::Folder(folder) = &node.what {
            if !done.insert(number) {
                return Ok(());
            }
            fs::create_dir(place)?;
            for (name, child) in &folder.durable {
                self.store_folder(*child, &place.join(name), done)?;
            }
        }
        if let What::File(content) = &node.what {
            fs::hard_link(content.place(), place)?;
        }
        if matches!(node.what, What::Socket) {
            Ok(())
        } else {
            fs::set_permissions(place, fs::Permissions::from_mode(node.mode.into()))
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn object(&self, number: u64) -> PathBuf {
        self.backing.join(OBJECTS).join(number.to_string())
    }

    fn node(&mut self, number: u64) -> Answer<&mut Node> {
        if !self.has_power {
            return Err(Errno::EIO);
        }
        self.nodes.get_mut(&number).ok_or(Errno::ENOENT)
    }

    fn folder(&mut self, number: u64) -> Answer<&mut Folder> {
        match &mut self.node(number)?.what {
            What::Folder(folder) => Ok(folder),
            What::File(_) | What::Socket => Err(Errno::ENOTDIR),
        }
    }

    fn content(&mut self, number: u64) -> Answer<&mut Content> {
        match &mut self.node(number)?.what {
            What::File(content) => Ok(content),
            What::Folder(_) => Err(Errno::EISDIR),
            What::Socket => Err(Errno::EINVAL),
        }
    }

    /// The number that a name has now.
    pub(super) fn find(&mut self, parent: u64, name: &OsStr) -> Answer<u64> {
        self.folder(parent)?.entries.get(name).copied().ok_or(Errno::ENOENT)
    }

    /// What `stat` says.
    pub(super) fn attributes(&mut self, number: u64) -> Answer<FileAttr> {
        let node = self.node(number)?;
        let (kind, size) = match &node.what {
            What::File(content) => (FileType::RegularFile, content.len()),
            What::Folder(_) => (FileType::Directory, 0),
            What::Socket => (FileType::Socket, 0),
        };
        Ok(FileAttr {
            ino: INodeNo(number),
            size,
            blocks: size.div_ceil(512),
            atime: node.changed,
            mtime: node.changed,
            ctime: node.changed,
            crtime: node.changed,
            kind,
            perm: node.mode,
            nlink: node.names.max(1),
            uid: node.uid,
            gid: node.gid,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    /// Makes a file, folder or socket for `owner`, with a name that is not durable yet.
    pub(super) fn make(&mut self, kind: Kind, parent: u64, name: &OsStr, mode: u32, owner: (u32, u32)) -> Answer<u64> {
        if self.folder(parent)?.entries.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        let number = self.number();
        let what = match kind {
            Kind::File => What::File(Content::open(self.object(number))?),
            Kind::Folder => What::Folder(Folder::default()),
            Kind::Socket => What::Socket,
        };
        let (uid, gid) = owner;
        let mode = u16::try_from(mode & 0o7777).unwrap_or(0o600);
        self.nodes.insert(number, Node { what, mode, uid, gid, changed: now(), opened: 0, names: 1, durable_names: 0 });
        self.folder(parent)?.entries.insert(name.to_owned(), number);
        Ok(number)
    }

    /// Takes a name away; what it named lives on while it is open or durable under a name.
    pub(super) fn remove(&mut self, kind: Kind, parent: u64, name: &OsStr) -> Answer<()> {
        let number = self.find(parent, name)?;
        self.may_go(kind, number)?;
        self.folder(parent)?.entries.remove(name);
        self.unname(number);
        Ok(())
    }

    fn may_go(&mut self, kind: Kind, number: u64) -> Answer<()> {
        match (&self.node(number)?.what, kind) {
            (What::Folder(folder), Kind::Folder) if folder.entries.is_empty() => Ok(()),
            (What::Folder(_), Kind::Folder) => Err(Errno::ENOTEMPTY),
            (What::Folder(_), _) => Err(Errno::EISDIR),
            (_, Kind::Folder) => Err(Errno::ENOTDIR),
            _ => Ok(()),
        }
    }

    /// Gives something another name, in place of what has it now.
    pub(super) fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr), may_replace: bool) -> Answer<()> {
        let number = self.find(from.0, from.1)?;
        let kind = if matches!(self.node(number)?.what, What::Folder(_)) { Kind::Folder } else { Kind::File };
        let replaced = self.folder(to.0)?.entries.get(to.1).copied();
        match replaced {
            Some(other) if other == number => return Ok(()),
            Some(_) if !may_replace => return Err(Errno::EEXIST),
            Some(other) => self.may_go(kind, other)?,
            None => {}
        }
        self.folder(from.0)?.entries.remove(from.1);
        self.folder(to.0)?.entries.insert(to.1.to_owned(), number);
        if let Some(other) = replaced {
            self.unname(other);
        }
        Ok(())
    }

    fn unname(&mut self, number: u64) {
        if let Some(node) = self.nodes.get_mut(&number) {
            node.names -= 1;
        }
        self.forget_if_gone(number);
    }

    fn forget_if_gone(&mut self, number: u64) {
        let is_gone = |node: &Node| node.names == 0 && node.durable_names == 0 && node.opened == 0;
        if number != ROOT && self.nodes.get(&number).is_some_and(is_gone) {
            self.nodes.remove(&number);
            // Folders and sockets have no object.
            fs::remove_file(self.object(number)).ok();
        }
    }

    /// A program opened it.
    pub(super) fn open(&mut self, number: u64) -> Answer<()> {
        self.node(number)?.opened += 1;
        Ok(())
    }

    /// The last descriptor of an opening is closed; without power too.
    pub(super) fn release(&mut self, number: u64) {
        if let Some(node) = self.nodes.get_mut(&number) {
            node.opened = node.opened.saturating_sub(1);
        }
        self.forget_if_gone(number);
    }

    pub(super) fn read(&mut self, number: u64, offset: u64, size: usize) -> Answer<Vec<u8>> {
        Ok(self.content(number)?.read(offset, size)?)
    }

    pub(super) fn write(&mut self, number: u64, offset: u64, bytes: &[u8]) -> Answer<()> {
        self.content(number)?.write(offset, bytes)?;
        self.node(number)?.changed = now();
        Ok(())
    }

    pub(super) fn truncate(&mut self, number: u64, len: u64) -> Answer<()> {
        self.content(number)?.truncate(len);
        self.node(number)?.changed = now();
        Ok(())
    }

    /// Changes permissions and owner; durable at once.
    pub(super) fn own(&mut self, number: u64, mode: Option<u32>, uid: Option<u32>, gid: Option<u32>) -> Answer<()> {
        let node = self.node(number)?;
        node.mode = mode.and_then(|mode| u16::try_from(mode & 0o7777).ok()).unwrap_or(node.mode);
        node.uid = uid.unwrap_or(node.uid);
        node.gid = gid.unwrap_or(node.gid);
        Ok(())
    }

    /// Makes a file's bytes durable.
    pub(super) fn sync_file(&mut self, number: u64) -> Answer<()> {
        Ok(self.content(number)?.sync()?)
    }

    /// Makes a folder's names durable.
    pub(super) fn sync_folder(&mut self, number: u64) -> Answer<()> {
        let folder = self.folder(number)?;
        let entries = folder.entries.clone();
        let before = std::mem::replace(&mut folder.durable, entries.clone());
        for child in entries.values() {
            self.node(*child)?.durable_names += 1;
        }
        for child in before.values() {
            if let Some(node) = self.nodes.get_mut(child) {
                node.durable_names -= 1;
            }
            self.forget_if_gone(*child);
        }
        Ok(())
    }

    /// The names in a folder with numbers and kinds.
    pub(super) fn list(&mut self, number: u64) -> Answer<Vec<(OsString, u64, FileType)>> {
        let entries = self.folder(number)?.entries.clone();
        entries.into_iter().map(|(name, child)| Ok((name, child, self.attributes(child)?.kind))).collect()
    }
}

impl Node {
    /// What lies in the backing folder has one name and is durable.
    fn load(what: What, place: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(place)?;
        Ok(Self {
            what,
            mode: u16::try_from(metadata.mode() & 0o7777).unwrap_or(0o600),
            uid: metadata.uid(),
            gid: metadata.gid(),
            changed: metadata.modified()?,
            opened: 0,
            names: 1,
            durable_names: 1,
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "a file system stamps its files with the machine's own clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
