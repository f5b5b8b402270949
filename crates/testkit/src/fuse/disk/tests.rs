//! What a power cut leaves of names, and what unmounting does.

use super::*;

const OWNER: (u32, u32) = (0, 0);

fn names(disk: &mut Disk) -> Vec<OsString> {
    disk.list(ROOT).unwrap().into_iter().map(|(name, ..)| name).collect()
}

fn after_cut(mut disk: Disk) -> Disk {
    disk.cut(Unsynced::Lost).unwrap();
    assert_eq!(disk.attributes(ROOT).unwrap_err(), Errno::EIO);
    disk.store().unwrap();
    Disk::load(&disk.backing).unwrap()
}

#[test]
fn a_name_is_durable_when_its_folder_was_synced() {
    let backing = tempfile::tempdir().unwrap();
    let mut disk = Disk::load(backing.path()).unwrap();
    for name in ["kept", "unsynced bytes"] {
        disk.make(Kind::File, ROOT, OsStr::new(name), 0o600, OWNER).unwrap();
    }
    disk.sync_folder(ROOT).unwrap();
    let unnamed = disk.make(Kind::File, ROOT, OsStr::new("unsynced name"), 0o600, OWNER).unwrap();
    let (kept, unsynced) =
        (disk.find(ROOT, OsStr::new("kept")).unwrap(), disk.find(ROOT, OsStr::new("unsynced bytes")).unwrap());
    for number in [kept, unsynced, unnamed] {
        disk.write(number, 0, b"hello").unwrap();
    }
    for number in [kept, unnamed] {
        disk.sync_file(number).unwrap();
    }
    let mut disk = after_cut(disk);
    assert_eq!(names(&mut disk), ["kept", "unsynced bytes"]);
    let kept = disk.find(ROOT, OsStr::new("kept")).unwrap();
    let unsynced = disk.find(ROOT, OsStr::new("unsynced bytes")).unwrap();
    assert_eq!(disk.read(kept, 0, 10).unwrap(), b"hello");
    assert_eq!(disk.read(unsynced, 0, 10).unwrap(), b"");
}

#[test]
fn a_removal_and_a_renaming_are_undone_unless_synced() {
    let backing = tempfile::tempdir().unwrap();
    let mut disk = Disk::load(backing.path()).unwrap();
    for name in ["a", "b"] {
        disk.make(Kind::File, ROOT, OsStr::new(name), 0o600, OWNER).unwrap();
    }
    disk.sync_folder(ROOT).unwrap();
    disk.remove(Kind::File, ROOT, OsStr::new("a")).unwrap();
    disk.rename((ROOT, OsStr::new("b")), (ROOT, OsStr::new("c")), true).unwrap();
    assert_eq!(names(&mut disk), ["c"]);
    let mut disk = after_cut(disk);
    assert_eq!(names(&mut disk), ["a", "b"]);
    disk.rename((ROOT, OsStr::new("b")), (ROOT, OsStr::new("a")), true).unwrap();
    disk.sync_folder(ROOT).unwrap();
    let mut disk = after_cut(disk);
    assert_eq!(names(&mut disk), ["a"]);
}

#[test]
fn unmounting_with_power_keeps_everything() {
    let backing = tempfile::tempdir().unwrap();
    let mut disk = Disk::load(backing.path()).unwrap();
    let folder = disk.make(Kind::Folder, ROOT, OsStr::new("folder"), 0o700, OWNER).unwrap();
    let file = disk.make(Kind::File, folder, OsStr::new("file"), 0o600, OWNER).unwrap();
    disk.make(Kind::Socket, folder, OsStr::new("socket"), 0o600, OWNER).unwrap();
    disk.write(file, 0, b"hello").unwrap();
    disk.store().unwrap();
    assert_eq!(fs::read(backing.path().join("tree/folder/file")).unwrap(), b"hello");
    let mut disk = Disk::load(backing.path()).unwrap();
    let folder = disk.find(ROOT, OsStr::new("folder")).unwrap();
    assert_eq!(disk.list(folder).unwrap().len(), 1);
}

#[test]
fn a_removed_file_is_readable_while_it_is_open() {
    let backing = tempfile::tempdir().unwrap();
    let mut disk = Disk::load(backing.path()).unwrap();
    let file = disk.make(Kind::File, ROOT, OsStr::new("file"), 0o600, OWNER).unwrap();
    disk.open(file).unwrap();
    disk.write(file, 0, b"hello").unwrap();
    disk.remove(Kind::File, ROOT, OsStr::new("file")).unwrap();
    assert_eq!(disk.read(file, 0, 9).unwrap(), b"hello");
    disk.release(file);
    assert_eq!(disk.read(file, 0, 9).unwrap_err(), Errno::ENOENT);
    assert_eq!(fs::read_dir(backing.path().join(OBJECTS)).unwrap().count(), 0);
}
