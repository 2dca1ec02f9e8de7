//! Files and directories that a loss of power does not take: their names have to be synced, too.
//!
//! It must never show a file under its name before all of it is on the disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Has the names in a directory survive: those of files that were made, renamed or removed there.
///
/// # Errors
/// The disk fails. That the directory cannot be read is none, since nothing can be done about it,
/// nor that its file system knows of no such thing.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    let here = directory.as_os_str().is_empty();
    let directory = if here { Path::new(".") } else { directory };
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        Err(why)
            if matches!(
                why.kind(),
                ErrorKind::PermissionDenied | ErrorKind::InvalidInput
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// As [`sync_directory`], of the one that `path` is in.
///
/// # Errors
/// As there.
pub fn sync_name(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_directory)
}

/// Makes a directory and those that it is in, where they are not there, for their owner only.
///
/// # Errors
/// It cannot be made, or the disk fails.
pub fn make_directory(directory: &Path) -> io::Result<()> {
    let missing = directory.ancestors().skip(1);
    let missing = missing.take_while(|it| !it.as_os_str().is_empty() && !it.exists());
    let missing: Vec<&Path> = missing.collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(directory)?;
    // Itself in any case: a process that made it may have ended before it came to this.
    let made = missing.iter().rev().chain([&directory]);
    made.copied().try_for_each(sync_name)
}

/// Makes a file, or puts one in the place of another one, that only its owner can read. There is no
/// moment at which a part of it is there.
///
/// # Errors
/// It cannot be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&unfinished).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(why) = written.and_then(|()| fs::rename(&unfinished, path)) {
        // What is wrong with the disk has been said.
        let _ = fs::remove_file(&unfinished);
        return Err(why);
    }
    sync_name(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn directories_and_files_are_made_for_their_owner_and_replaced() {
        let name = format!("switchboard-durable-{}", std::process::id());
        let top = std::env::temp_dir().join(name);
        let directory = top.join("a").join("b");
        make_directory(&directory).unwrap();
        make_directory(&directory).unwrap();
        let file = directory.join("file");
        for text in ["one", "another"] {
            write_file(&file, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&file)), (0o700, 0o600));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        assert!(write_file(&top.join("nowhere").join("file"), b"").is_err());
        assert!(make_directory(&file.join("c")).is_err());
        sync_directory(Path::new("")).unwrap();
        fs::remove_dir_all(top).unwrap();
    }
}
