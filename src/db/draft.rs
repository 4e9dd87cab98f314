//! A file that appears whole or not at all: written beside its place, brought to the disk, and moved there in one step.

use anyhow::{Context, bail, ensure};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What SQLite may leave beside a database it was writing.
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// A file in the making; dropped unfinished it is gone, and what stood in its place stands there still.
pub struct Draft {
    /// Where it is written.
    file: File,
    aside: PathBuf,
    place: PathBuf,
    /// Held until the end: a second run for the same place is refused. A file of its own, because a lock on the one that
    /// SQLite writes would be in SQLite's way on network disks.
    _lock: File,
    lock_path: PathBuf,
    is_done: bool,
}

impl Draft {
    /// Begins the file that is to stand at `place`; only its owner may read it.
    ///
    /// Errors: the place is no file (a folder, a device, a pipe), its folder cannot be written, another run is writing it.
    pub fn begin(place: &Path) -> anyhow::Result<Self> {
        // through a link to what it names, which is what is meant to be written
        let place = if place.is_symlink() { place.canonicalize().with_context(|| format!("{} points nowhere", place.display()))? } else { place.to_owned() };
        if let Ok(meta) = fs::metadata(&place) {
            ensure!(meta.is_file(), "{} is no file that could be replaced; name a file, or `-` for standard output where that is offered", place.display());
        }
        let name = place.file_name().with_context(|| format!("{} names no file", place.display()))?.to_string_lossy().into_owned();
        let (aside, lock_path) = (place.with_file_name(format!(".{name}.part")), place.with_file_name(format!(".{name}.lock")));
        let open = |path: &Path| {
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(NO_FOLLOW).open(path);
            file.with_context(|| format!("while making {}", path.display()))
        };
        let lock = loop {
            let file = open(&lock_path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => bail!("{} is being written by another run; try again when that one is done", place.display()),
                Err(fs::TryLockError::Error(error)) => return Err(error).with_context(|| format!("while locking {}", lock_path.display())),
            }
            // whoever held it removes it at his end: then it locks nothing any more
            if fs::metadata(&lock_path).is_ok_and(|there| file.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == (there.dev(), there.ino()))) {
                break file;
            }
        };
        let file = match open(&aside) {
            Ok(file) => file,
            Err(error) => {
                let _ = fs::remove_file(&lock_path); // nothing was begun
                return Err(error);
            }
        };
        let draft = Self { file, aside, place, _lock: lock, lock_path, is_done: false };
        draft.sweep(); // left by an earlier try that was killed
        draft.file.set_len(0)?;
        draft.file.set_permissions(fs::Permissions::from_mode(0o600))?; // also when it stood there already
        Ok(draft)
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        &self.aside
    }

    /// For writing.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Brings it to the disk and to its place; its size.
    pub fn finish(mut self) -> anyhow::Result<u64> {
        self.file.sync_all().with_context(|| format!("while writing {}", self.place.display()))?;
        let bytes = self.file.metadata()?.len();
        fs::rename(&self.aside, &self.place).with_context(|| format!("while moving the file to {}", self.place.display()))?;
        self.is_done = true;
        sync_folder(&self.place)?;
        Ok(bytes)
    }

    fn sweep(&self) {
        for ending in BESIDE {
            let mut name = self.aside.clone().into_os_string();
            name.push(ending);
            let _ = fs::remove_file(name); // mostly there is none
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_done {
            self.sweep();
            let _ = fs::remove_file(&self.aside); // a half-written copy is of no use; the error itself is what counts
        }
        let _ = fs::remove_file(&self.lock_path); // while it is still held
    }
}

/// Opens no link in a draft's place: open(2), `O_NOFOLLOW` on Linux.
const NO_FOLLOW: i32 = 0o400_000;

/// Brings a rename to the disk.
fn sync_folder(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all().with_context(|| format!("while syncing {}", folder.display()))
}

/// Gives what root made to the owner of its folder: the service runs as him.
pub fn to_folder_owner(path: &Path) {
    let (Some(Ok(folder)), Ok(made)) = (path.parent().map(fs::metadata), fs::symlink_metadata(path)) else { return };
    // a link, or a second name of something, may have been put there to have that given away
    let is_plain = made.is_dir() || (made.is_file() && made.nlink() == 1);
    if is_plain && made.uid() == 0 && folder.uid() != 0 {
        let _ = std::os::unix::fs::lchown(path, Some(folder.uid()), Some(folder.gid())); // only root may; for all others it is theirs already
    }
}

/// Writes a small file that must not be half there, unless one stands there already.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension(format!("new-{}", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        fs::hard_link(&aside, path) // unlike a move, never over another
    })();
    let _ = fs::remove_file(&aside);
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_draft_is_whole_or_gone_and_nobody_writes_it_twice_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("out.csv");
        fs::write(&place, b"old").unwrap();
        let mut draft = Draft::begin(&place).unwrap();
        draft.file().write_all(b"half").unwrap();
        assert!(Draft::begin(&place).is_err());
        drop(draft);
        assert_eq!((fs::read(&place).unwrap(), fs::read_dir(folder.path()).unwrap().count()), (b"old".to_vec(), 1));
        let mut draft = Draft::begin(&place).unwrap();
        draft.file().write_all(b"whole").unwrap();
        fs::write(folder.path().join(".out.csv.part-journal"), b"x").unwrap();
        assert_eq!(draft.finish().unwrap(), 5);
        assert_eq!(fs::read(&place).unwrap(), b"whole");
        drop(Draft::begin(&place).unwrap()); // sweeps what an earlier try left
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_written_through_and_what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.csv"), folder.path().join("link.csv"));
        fs::write(&real, b"old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut draft = Draft::begin(&link).unwrap();
        draft.file().write_all(b"new").unwrap();
        draft.finish().unwrap();
        assert!(link.is_symlink() && fs::read(&real).unwrap() == b"new");
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(Draft::begin(&socket).is_err() && Draft::begin(folder.path()).is_err());
    }
}
