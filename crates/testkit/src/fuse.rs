//! A disk that loses power: a FUSE file system that forgets, on demand, whatever was not synced.
//!
//! Killing a process proves little about durability, since the kernel keeps what the process wrote. Here the kernel
//! hands every write to [`Disk`], which keeps it in memory until the program asks for durability. The model is strict,
//! and no stricter than what POSIX allows a disk to do:
//!
//! * A file's bytes and length are durable as they were at its last `fsync` or `fdatasync`.
//! * A name (made, renamed or removed) is durable as it was at the last `fsync` of its folder; syncing the file does not
//!   make its name durable.
//! * After [`Mounted::cut`] every call fails with an I/O error, so nothing can be acknowledged any more.
//! * What was not synced is lost entirely ([`Unsynced::Lost`]), or some pages of it reach the disk all the same, in any
//!   order ([`Unsynced::Torn`]), which is what a real disk's cache does.
//!
//! Not modelled: permissions, owners and times (durable at once), and hard links (refused).
//!
//! It needs root and `/dev/fuse`, and no FUSE library.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, bail};
use fuser::{BackgroundSession, Config, MountOption, SessionACL};

mod content;
mod disk;
mod mount;

pub use content::Unsynced;
pub use disk::Disk;

/// A disk that is mounted and has power.
#[derive(Debug)]
pub struct Mounted {
    disk: Arc<Mutex<Disk>>,
    session: Option<BackgroundSession>,
    mountpoint: PathBuf,
}

impl Mounted {
    /// Shows the files of the folder `backing` at the folder `mountpoint`. Both are made if they are not there.
    ///
    /// While it is mounted, `backing` holds the disk's own form of the files; after [`Self::unmount`] the files again.
    pub fn mount(backing: &Path, mountpoint: &Path) -> Result<Self> {
        if !Path::new("/dev/fuse").exists() {
            bail!("/dev/fuse is not there: a power cut can only be tried where the kernel has FUSE (`modprobe fuse`)");
        }
        for folder in [backing, mountpoint] {
            std::fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
        }
        let disk = Disk::load(backing).with_context(|| format!("loading the disk in {}", backing.display()))?;
        let disk = Arc::new(Mutex::new(disk));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("domicile-power-cut".into()), MountOption::DefaultPermissions];
        config.acl = SessionACL::All;
        let session = fuser::spawn_mount(mount::Layer::new(Arc::clone(&disk)), mountpoint, &config)
            .with_context(|| format!("mounting a FUSE file system at {} (that takes root)", mountpoint.display()))?;
        Ok(Self { disk, session: Some(session), mountpoint: mountpoint.to_owned() })
    }

    /// Cuts the power: what was not synced is forgotten, and every call from now on fails.
    pub fn cut(&self, unsynced: Unsynced) -> io::Result<()> {
        lock(&self.disk).cut(unsynced)
    }

    /// Unmounts and leaves in the backing folder what the disk holds: after a cut what was durable, else everything.
    ///
    /// No process may have files of it open any more.
    pub fn unmount(mut self) -> Result<()> {
        if let Some(session) = self.session.take() {
            session.umount_and_join().with_context(|| format!("unmounting {}", self.mountpoint.display()))?;
        }
        lock(&self.disk).store().context("writing the disk's files back to the backing folder")
    }
}

/// A poisoned lock means that a call panicked between two consistent states at worst; a test goes on and reports.
fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}
