//! Files that get their names when they are complete. It must never touch what has the name before.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use switchboard_chat::durable::sync_name;

/// A file beside the one that is asked for, and gone again unless it is finished.
pub struct Unfinished {
    path: PathBuf,
    name: PathBuf,
}

impl Unfinished {
    /// Makes it, readable for its owner only. `database` is not to be written over.
    pub fn new(name: &Path, database: &Path) -> Result<Unfinished, String> {
        let problem = |why: &dyn std::fmt::Display| format!("{}: {why}", name.display());
        if fs::canonicalize(name).is_ok_and(|name| is_of(&name, database)) {
            return Err(problem(&"this is the data itself: name another file"));
        }
        let file = name
            .file_name()
            .ok_or_else(|| problem(&"it names no file"))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(file);
        hidden.push(format!(".{}", std::process::id()));
        let path = name.with_file_name(hidden);
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        made.map_err(|why| problem(&why))?;
        Ok(Unfinished {
            path,
            name: name.to_owned(),
        })
    }

    /// Where it is meanwhile.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It is complete: it gets its name, once it is on the disk.
    pub fn finish(self) -> Result<(), String> {
        let finished = File::open(&self.path)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&self.path, &self.name))
            .and_then(|()| sync_name(&self.name));
        finished.map_err(|why| format!("{}: {why}", self.name.display()))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After `finish` there is none of this name.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a file is the database, or one of those beside it.
fn is_of(name: &Path, database: &Path) -> bool {
    let Ok(database) = fs::canonicalize(database) else {
        return false;
    };
    ["", "-wal", "-shm", ".lock"].iter().any(|end| {
        let mut beside = database.clone().into_os_string();
        beside.push(end);
        name.as_os_str() == beside
    })
}

/// A file, or standard output.
pub struct Output {
    to: BufWriter<Box<dyn Write>>,
    file: Option<Unfinished>,
}

impl Output {
    /// Standard output if there is no name.
    pub fn open(name: Option<&Path>, database: &Path) -> Result<Output, String> {
        let file = name
            .map(|name| Unfinished::new(name, database))
            .transpose()?;
        let to: Box<dyn Write> = match &file {
            Some(file) => {
                let opened = OpenOptions::new().write(true).open(file.path());
                Box::new(opened.map_err(|why| format!("{}: {why}", file.path().display()))?)
            }
            None => Box::new(stdout()),
        };
        Ok(Output {
            to: BufWriter::new(to),
            file,
        })
    }

    /// Writes more of it.
    pub fn write(&mut self, text: &str) -> Result<(), String> {
        let written = self.to.write_all(text.as_bytes());
        written.map_err(|why| format!("it cannot be written: {why}"))
    }

    /// It is complete.
    pub fn finish(mut self) -> Result<(), String> {
        let flushed = self.to.flush();
        flushed.map_err(|why| format!("it cannot be written: {why}"))?;
        self.file.map_or(Ok(()), Unfinished::finish)
    }
}
