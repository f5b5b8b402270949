//! The kernel's calls, each handed to the [`Disk`].

use std::ffi::OsStr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags,
    RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs,
    ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::disk::{Disk, Kind};

/// How long the kernel may remember names and attributes: nobody else changes them.
const REMEMBER: Duration = Duration::from_mins(1);
/// The bits of a mode that say what kind of thing it is.
const KIND: u32 = 0o170_000;
const SOCKET: u32 = 0o140_000;
const FILE: u32 = 0o100_000;
/// Numbers are never given twice.
const GENERATION: Generation = Generation(0);

/// A disk as the kernel sees it.
#[derive(Debug)]
pub(super) struct Layer {
    disk: Arc<Mutex<Disk>>,
}

impl Layer {
    pub(super) fn new(disk: Arc<Mutex<Disk>>) -> Self {
        Self { disk }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        super::lock(&self.disk)
    }

    fn make(&self, who: &Request, kind: Kind, parent: INodeNo, name: &OsStr, mode: u32, reply: ReplyEntry) {
        let mut disk = self.disk();
        let number = disk.make(kind, parent.0, name, mode, (who.uid(), who.gid()));
        match number.and_then(|number| disk.attributes(number)) {
            Ok(attributes) => reply.entry(&REMEMBER, &attributes, GENERATION),
            Err(error) => reply.error(error),
        }
    }
}

/// Answers a call that only succeeds or fails.
fn done(reply: ReplyEmpty, result: Result<(), Errno>) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Layer {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut disk = self.disk();
        match disk.find(parent.0, name).and_then(|number| disk.attributes(number)) {
            Ok(attributes) => reply.entry(&REMEMBER, &attributes, GENERATION),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.disk().attributes(ino.0) {
            Ok(attributes) => reply.attr(&REMEMBER, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut disk = self.disk();
        let changed = match size {
            Some(len) => disk.truncate(ino.0, len),
            None => Ok(()),
        };
        let changed = changed.and_then(|()| disk.own(ino.0, mode, uid, gid));
        match changed.and_then(|()| disk.attributes(ino.0)) {
            Ok(attributes) => reply.attr(&REMEMBER, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mknod(&self, who: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, _: u32, reply: ReplyEntry) {
        match mode & KIND {
            FILE => self.make(who, Kind::File, parent, name, mode & !umask, reply),
            SOCKET => self.make(who, Kind::Socket, parent, name, mode & !umask, reply),
            _ => reply.error(Errno::EPERM),
        }
    }

    fn mkdir(&self, who: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        self.make(who, Kind::Folder, parent, name, mode & !umask, reply);
    }

    fn create(&self, who: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, _: i32, reply: ReplyCreate) {
        let mut disk = self.disk();
        let number = disk.make(Kind::File, parent.0, name, mode & !umask, (who.uid(), who.gid()));
        match number.and_then(|number| disk.open(number).and_then(|()| disk.attributes(number))) {
            Ok(attributes) => {
                reply.created(&REMEMBER, &attributes, GENERATION, FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
            }
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(reply, self.disk().remove(Kind::File, parent.0, name));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(reply, self.disk().remove(Kind::Folder, parent.0, name));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let may_replace = !flags.contains(RenameFlags::RENAME_NOREPLACE);
        let result = if flags.difference(RenameFlags::RENAME_NOREPLACE).is_empty() {
            self.disk().rename((parent.0, name), (new_parent.0, new_name), may_replace)
        } else {
            Err(Errno::EINVAL)
        };
        done(reply, result);
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.disk().open(ino.0) {
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.disk().read(ino.0, offset, size as usize) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match (self.disk().write(ino.0, offset, data), u32::try_from(data.len())) {
            (Ok(()), Ok(size)) => reply.written(size),
            (Err(error), _) => reply.error(error),
            (_, Err(_)) => reply.error(Errno::EINVAL),
        }
    }

    /// Closing promises nothing.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.disk().release(ino.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(reply, self.disk().sync_file(ino.0));
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(reply, self.disk().sync_folder(ino.0));
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        match self.disk().list(ino.0) {
            Ok(entries) => {
                let own = [(".".into(), ino.0, FileType::Directory), ("..".into(), ino.0, FileType::Directory)];
                let skip = usize::try_from(offset).unwrap_or(usize::MAX);
                for (next, (name, child, kind)) in (1..).zip(own.into_iter().chain(entries)).skip(skip) {
                    if reply.add(INodeNo(child), next, kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(error),
        }
    }

    /// Room for everything that a test writes.
    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let blocks = 1 << 28;
        reply.statfs(blocks, blocks, blocks, blocks, blocks, 4096, 255, 4096);
    }
}
