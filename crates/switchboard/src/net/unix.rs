//! Names of Unix sockets: paths, and Linux's abstract names.
//! It must never touch the file system: the file of a listener is `socket_file.rs`'s affair.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use socket2::SockAddr;

use crate::replayable::{Replayable, put_slice, take_slice};
use crate::{Error, Result};

/// The name of a Unix socket.
///
/// Written as a text, it begins with `unix:`, and `//` may follow. Then comes a path as it is
/// (nothing in it is decoded; a relative one counts from the current directory), or `@` and an
/// abstract name, which only Linux has: such a name is in no directory, has no permissions, and is
/// free again when its socket is closed. A path that begins with `@` is written `./@...`.
///
/// ```
/// use std::path::Path;
/// use switchboard::{Endpoint, ToEndpoint, UnixAddress};
///
/// let path = UnixAddress::Path("/run/x.sock".into());
/// assert_eq!("unix:///run/x.sock".to_endpoint()?, Endpoint::Unix(path.clone()));
/// assert_eq!("unix:/run/x.sock".to_endpoint()?, Endpoint::Unix(path.clone()));
/// assert_eq!(Path::new("/run/x.sock").to_endpoint()?, Endpoint::Unix(path.clone()));
/// assert_eq!(path.to_string(), "unix:///run/x.sock");
///
/// # #[cfg(target_os = "linux")] {
/// let name = UnixAddress::Abstract(b"name".to_vec());
/// assert_eq!(name.to_string(), "unix:@name");
/// assert_eq!("unix:@name".to_endpoint()?, Endpoint::Unix(name));
/// # }
/// # Ok::<(), switchboard::Error>(())
/// ```
///
/// # Platforms
/// Unix.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnixAddress {
    /// A file, which is a socket.
    Path(PathBuf),
    /// A name in Linux's abstract namespace, without the zero byte that the kernel puts before it.
    #[cfg(target_os = "linux")]
    Abstract(Vec<u8>),
    /// What a client has that was not bound to a name: nobody can connect to that.
    Unnamed,
}

impl UnixAddress {
    /// What follows `unix:` in a text.
    pub(super) fn parse(text: &str) -> Result<UnixAddress> {
        let text = text.strip_prefix("//").unwrap_or(text);
        let address = match text.strip_prefix('@') {
            #[cfg(target_os = "linux")]
            Some(name) => UnixAddress::Abstract(name.as_bytes().to_vec()),
            #[cfg(not(target_os = "linux"))]
            Some(_) => {
                return Err(Error::BadAddress(format!(
                    "unix:{text} is not an address: only Linux has abstract names; give a path"
                )));
            }
            None => UnixAddress::Path(text.into()),
        };
        address.check()?;
        Ok(address)
    }

    /// Whether the system can have a socket of that name.
    pub(super) fn check(&self) -> Result {
        let bad = |why: &str| {
            Err(Error::BadAddress(format!(
                "{self} is not an address: {why}"
            )))
        };
        match self {
            UnixAddress::Path(path) if path.as_os_str().is_empty() => {
                bad("expected unix://PATH, such as unix:///run/x.sock")
            }
            #[cfg(target_os = "linux")]
            UnixAddress::Abstract(name) if name.is_empty() => bad("the name after @ is missing"),
            UnixAddress::Unnamed => bad("a socket without a name cannot be found"),
            _ => match self.to_system() {
                Ok(_) => Ok(()),
                Err(_) => bad("it is longer than the system takes (about 100 bytes), or has a NUL"),
            },
        }
    }

    /// As system calls take it.
    pub(crate) fn to_system(&self) -> io::Result<SockAddr> {
        match self {
            UnixAddress::Path(path) => SockAddr::unix(path),
            #[cfg(target_os = "linux")]
            UnixAddress::Abstract(name) => {
                let mut name = name.clone();
                name.insert(0, 0);
                SockAddr::unix(OsStr::from_bytes(&name))
            }
            UnixAddress::Unnamed => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }

    /// As system calls have answered it; `None` if it is of another family.
    pub(super) fn from_system(address: &SockAddr) -> Option<UnixAddress> {
        if let Some(path) = address.as_pathname() {
            return Some(UnixAddress::Path(path.into()));
        }
        #[cfg(target_os = "linux")]
        if let Some(name) = address.as_abstract_namespace() {
            return Some(UnixAddress::Abstract(name.into()));
        }
        address.is_unix().then_some(UnixAddress::Unnamed)
    }

    /// Its file, if it has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            UnixAddress::Path(path) => Some(path),
            _ => None,
        }
    }
}

/// As it is parsed, bytes that are no text apart. One without a name is shown as `unix:`.
impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnixAddress::Path(path) => {
                let is_like_a_name = path.as_os_str().as_bytes().starts_with(b"@");
                let here = if is_like_a_name { "./" } else { "" };
                write!(f, "unix://{here}{}", path.display())
            }
            #[cfg(target_os = "linux")]
            UnixAddress::Abstract(name) => write!(f, "unix:@{}", String::from_utf8_lossy(name)),
            UnixAddress::Unnamed => f.write_str("unix:"),
        }
    }
}

impl Replayable for UnixAddress {
    fn encode(&self, out: &mut Vec<u8>) {
        let (kind, name) = match self {
            UnixAddress::Path(path) => (0, path.as_os_str().as_bytes()),
            #[cfg(target_os = "linux")]
            UnixAddress::Abstract(name) => (1, &name[..]),
            UnixAddress::Unnamed => (2, &[][..]),
        };
        out.push(kind);
        put_slice(out, name);
    }

    fn decode(bytes: &mut &[u8]) -> Option<UnixAddress> {
        let (kind, name) = (u8::decode(bytes)?, take_slice(bytes)?);
        Some(match kind {
            0 => UnixAddress::Path(OsStr::from_bytes(name).into()),
            #[cfg(target_os = "linux")]
            1 => UnixAddress::Abstract(name.to_vec()),
            2 => UnixAddress::Unnamed,
            _ => return None,
        })
    }
}
