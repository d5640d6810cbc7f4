//! Files that are there whole or not at all.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Writes a file beside its place and moves it there once it is on the disk. Nobody sees half of it,
/// and it is readable by its owner alone.
///
/// # Errors
/// When it cannot be written, or is there already and `replace` does not allow that.
pub fn write_whole(path: &Path, bytes: &[u8], replace: bool) -> io::Result<()> {
    let beside = beside(path)?;
    // left behind by a process of the same number that was killed
    let _ = fs::remove_file(&beside);
    let written = write(&beside, bytes).and_then(|()| settle(&beside, path, replace));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "the path does not end with a file's name")
    })?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.part", std::process::id()));
    Ok(path.with_file_name(hidden))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn settle(from: &Path, to: &Path, replace: bool) -> io::Result<()> {
    // a dangling link counts: it may be somebody's place
    if !replace && to.symlink_metadata().is_ok() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists already"));
    }
    // what is there may be a device, a pipe or a link to somebody's place
    if to.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        let why = "what is there is no plain file, and is not replaced";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    if replace {
        fs::rename(from, to)?;
    } else {
        put(from, to)?;
    }
    let folder = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_folder(folder)
}

/// Puts a file where there is none: of two who do so at once, one is refused.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // a file system that knows no second names
        Err(_) => fs::rename(from, to),
    }
}

/// The name of a new file is on the disk once its folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // some network file systems know no such thing for folders
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_file_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        write_whole(&file, b"one", false).expect("written");
        assert!(write_whole(&file, b"two", false).is_err());
        write_whole(&file, b"two", true).expect("replaced");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        assert!(write_whole(&link, b"three", true).is_err());
        assert!(link.symlink_metadata().expect("there").is_symlink());
        assert_eq!(fs::read(&file).expect("there"), b"two");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 2);
    }
}
