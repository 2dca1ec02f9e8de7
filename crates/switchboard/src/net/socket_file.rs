//! The file of a Unix listener: made with the socket, removed with it, and replaced if it was left
//! behind by somebody who listens no more. It must never remove what is not a socket, nor a socket
//! that somebody listens on, nor one that has taken the place of ours.
//!
//! A file that is left behind is told by a connection to it that is refused. Between that look and
//! the new socket nobody may do the same, or two processes would each replace the other: so both
//! hold a lock (`flock`) on the directory, which leaves no file behind and ends with the process. A
//! socket is bound, given its permissions and listened on under that lock, because one that is bound
//! and not listened on yet refuses connections too. Who does not know of the lock can be mistaken in
//! that moment; nothing else can tell the two apart.

use std::fs::{self, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::{BACKLOG, socket};

/// How often the lock is asked for. Who holds it does so for a few system calls; a whole directory
/// that somebody else keeps locked must not stop us.
const LOCK_TRIES: usize = 1000;

/// The socket in a directory that is ours; dropped, it is removed.
#[derive(Debug)]
pub(crate) struct SocketFile {
    /// From the root, so that it is found from another current directory too.
    path: PathBuf,
    identity: Identity,
    /// Somebody else removes it.
    stays: Arc<AtomicBool>,
}

/// A way to decide who removes a file, for whoever hands its socket over.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct FileClaim {
    pub(crate) path: PathBuf,
    stays: Arc<AtomicBool>,
}

#[cfg(target_os = "linux")]
impl FileClaim {
    /// Whether the process that the file was claimed in leaves it where it is.
    pub(crate) fn set_stays(&self, stays: bool) {
        self.stays.store(stays, Ordering::Release);
    }
}

/// Which file a path leads to. The number of one that was removed may be given to the next, so the
/// time of its birth belongs to it, where the file system keeps that.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    born: Option<SystemTime>,
}

impl Identity {
    fn of(metadata: &Metadata) -> Identity {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            born: metadata.created().ok(),
        }
    }
}

impl SocketFile {
    fn at(path: PathBuf) -> io::Result<SocketFile> {
        let identity = Identity::of(&fs::symlink_metadata(&path)?);
        let stays = Arc::default();
        Ok(SocketFile {
            path,
            identity,
            stays,
        })
    }
}

/// Sockets are handed over where a peer is known by the kernel's word.
#[cfg(target_os = "linux")]
impl SocketFile {
    /// The file of a socket that was handed over; it stays until somebody else
    /// [decides](FileClaim::set_stays).
    pub(crate) fn adopt(path: PathBuf) -> io::Result<SocketFile> {
        let file = SocketFile::at(path)?;
        file.stays.store(true, Ordering::Release);
        Ok(file)
    }

    pub(crate) fn claim(&self) -> FileClaim {
        FileClaim {
            path: self.path.clone(),
            stays: Arc::clone(&self.stays),
        }
    }
}

/// Called while the socket is still listened on: so nobody takes the file for one left behind, and
/// puts another in its place between the look and the removal.
impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.stays.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = remove_if_same(&self.path, &self.identity) {
            tracing::debug!(path = %self.path.display(), %error, "a socket's file stays behind");
        }
    }
}

fn remove_if_same(path: &Path, identity: &Identity) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    match found.file_type().is_socket() && Identity::of(&found) == *identity {
        true => fs::remove_file(path),
        false => Ok(()),
    }
}

/// Binds a socket to a path, with these permissions if any are given, and listens if it is for
/// connections.
pub(super) fn open(path: &Path, mode: Option<u32>, kind: Type) -> io::Result<(Socket, SocketFile)> {
    let address = SockAddr::unix(path)?;
    let path = std::path::absolute(path)?;
    let socket = socket(Domain::UNIX, kind, None)?;
    let lock = lock_directory(&path);
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(&path, (&address, kind), lock.is_some())?;
            socket.bind(&address)?;
        }
        result => result?,
    }
    let file = SocketFile::at(path)?; // what fails from here on removes it
    if let Some(mode) = mode {
        fs::set_permissions(&file.path, PermissionsExt::from_mode(mode))?;
    }
    if kind == Type::STREAM {
        socket.listen(BACKLOG)?; // not before: until then nobody can connect
    }
    Ok((socket, file))
}

/// `None` where it cannot be had: a free name can be taken all the same.
fn lock_directory(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path.parent()?, flags, Mode::empty()).ok()?;
    for _ in 0..LOCK_TRIES {
        match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(directory),
            Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::yield_now(),
            Err(_) => return None,
        }
    }
    None
}

/// Removes a socket that nobody listens on, or says why not.
fn remove_stale(path: &Path, name: (&SockAddr, Type), is_locked: bool) -> io::Result<()> {
    let in_use = |why: String| Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return in_use("there is a file that is no socket: remove it, or give another path".into());
    }
    match knock(name) {
        Ok(()) => return in_use("somebody listens there already".into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) => return in_use(format!("somebody may use it already ({error})")),
    }
    if !is_locked {
        return in_use(
            "nobody listens there any more, but its directory cannot be locked, so somebody else \
             may be about to replace it: remove the file, if that is not so"
                .into(),
        );
    }
    tracing::info!(path = %path.display(), "a socket was left behind there, and is replaced");
    match remove_if_same(path, &Identity::of(&found)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Whether somebody is there. One whose queue is full is, and one for another kind of socket.
fn knock((address, kind): (&SockAddr, Type)) -> io::Result<()> {
    let socket = socket(Domain::UNIX, kind, None)?;
    match socket.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests;
