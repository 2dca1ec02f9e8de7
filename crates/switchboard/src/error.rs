//! What can go wrong, in words that say what to do.
//! It must never hold a reference to a source: an error outlives what it speaks of.

use std::{fmt, io};

use crate::{Address, Divergence, FileId, Token};

/// What handlers and the reactor's own calls return; `Result` alone means "nothing or an error".
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Why a call failed, or why a handler gave up.
///
/// `Debug` shows the same sentence as `Display`, since that is what `main() -> Result` prints.
#[non_exhaustive]
pub enum Error {
    /// The operating system said no.
    Io(io::Error),
    /// An address could not be understood; the text says what was expected.
    BadAddress(String),
    /// The source of this token has been closed, or is closing.
    Stale(Token),
    /// Our side of this connection was shut down, so nothing can be sent on it any more.
    SendingEnded(Token),
    /// The call does not fit the kind of source that the token stands for.
    WrongKind {
        /// The source.
        token: Token,
        /// What was asked for.
        asked: &'static str,
    },
    /// The outbox would rise above its high watermark; nothing of this message was taken.
    /// Wait for `handle_write`, then send again.
    Full {
        /// Bytes that wait in the outbox.
        buffered: usize,
        /// The high watermark, in bytes.
        limit: usize,
    },
    /// The message is larger than the high watermark, or than all sources together may buffer,
    /// so it could never be taken.
    TooLarge {
        /// Bytes of the message.
        len: usize,
        /// The smaller one of the two, in bytes.
        limit: usize,
    },
    /// UDP carries no datagram that is as long as this one.
    DatagramTooLarge {
        /// Bytes of the datagram.
        len: usize,
        /// The most there can be, in bytes.
        limit: usize,
    },
    /// A datagram could not be sent, or its receiver's machine has refused it; given to
    /// `handle_error`. The socket goes on.
    Undelivered {
        /// Where it was to go; `None` if the system does not say of which one it speaks, or if the
        /// socket is connected.
        to: Option<Address>,
        /// What the system says.
        error: io::Error,
    },
    /// All sources together would buffer more than the reactor's bound.
    BufferedLimit {
        /// The bound, in bytes.
        limit: usize,
    },
    /// The inbox is full, and the handler consumed nothing of it: it can never be satisfied.
    InboxFull {
        /// The inbox's bound, in bytes.
        limit: usize,
    },
    /// A frame is longer than its [codec](crate::codec) allows.
    FrameTooLong {
        /// Its length in bytes, or that of its beginning if its end has not come.
        len: u64,
        /// The codec's maximum, in bytes.
        limit: usize,
    },
    /// What was received, or is to be sent, is no frame of its [codec](crate::codec); the text says
    /// why.
    BadFrame(&'static str),
    /// The stream has ended within a frame.
    UnfinishedFrame {
        /// How many bytes of it have come.
        len: usize,
    },
    /// More descriptors than the source's limit would wait to be sent, or have come and were not
    /// taken; or more than the system sends with one message.
    TooManyDescriptors {
        /// How many it would be.
        count: usize,
        /// The source's limit.
        limit: usize,
    },
    /// The reactor holds as many sources as it may.
    TooManySources {
        /// The bound.
        limit: usize,
    },
    /// The reactor holds as many timers as it may.
    TooManyTimers {
        /// The bound.
        limit: usize,
    },
    /// As many jobs are under way as may be.
    TooManyJobs {
        /// The bound.
        limit: usize,
    },
    /// As many serial lanes are open as may be.
    TooManyLanes {
        /// The bound.
        limit: usize,
    },
    /// The file of this name has been closed, or could not be opened.
    StaleFile(FileId),
    /// As many files are open as may be.
    TooManyFiles {
        /// The bound.
        limit: usize,
    },
    /// More bytes would be on their way to and from files than may be.
    FileBytes {
        /// The bound.
        limit: usize,
    },
    /// The reactor is shutting down and takes nothing new.
    ShuttingDown,
    /// An event of a kind arrived for which the handler has no method.
    Unhandled(&'static str),
    /// A handler, a posted closure or a job panicked; the text is the panic's message.
    Panicked(String),
    /// A reactor of a [group](crate::ReactorGroup) failed.
    Member {
        /// Which one, counted from 0.
        index: usize,
        /// Why.
        error: Box<Error>,
    },
    /// Something about TLS that can be told before a connection is made: a certificate, a key or a
    /// name that cannot be used.
    Tls(String),
    /// A recording cannot be replayed; the text says why, and what to do.
    Recording(String),
    /// In a replay, the program did something else than when it was recorded.
    Diverged(Box<Divergence>),
    /// What the program's own code reported.
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Wraps the program's own error (or a text), so that a handler can return it with `?`.
    ///
    /// ```
    /// use switchboard::{Error, Result};
    ///
    /// fn parse(text: &str) -> Result<u32> {
    ///     text.parse().map_err(Error::other)
    /// }
    /// assert!(parse("7").is_ok());
    /// assert_eq!(parse("x").unwrap_err().to_string(), "invalid digit found in string");
    /// ```
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Other(error.into())
    }

    /// Whether the call can succeed later: true for [`Error::Full`] and
    /// [`Error::BufferedLimit`], after which `handle_write` says when.
    pub fn is_full(&self) -> bool {
        matches!(self, Error::Full { .. } | Error::BufferedLimit { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => error.fmt(f),
            Error::BadAddress(why) => f.write_str(why),
            Error::Stale(token) => write!(f, "{token} is closed"),
            Error::SendingEnded(token) => write!(f, "the sending side of {token} was shut down"),
            Error::WrongKind { token, asked } => write!(f, "{token} cannot {asked}"),
            Error::Full { buffered, limit } => write!(
                f,
                "the outbox is full ({buffered} of {limit} bytes wait): send again in handle_write"
            ),
            Error::TooLarge { len, limit } => write!(
                f,
                "a message of {len} bytes exceeds the outbox's limit of {limit} bytes: \
                 send it in parts, or raise the high watermark (or max_buffered)"
            ),
            Error::DatagramTooLarge { len, limit } => write!(
                f,
                "a datagram of {len} bytes is longer than the {limit} bytes that UDP carries: \
                 send it in parts"
            ),
            Error::Undelivered {
                to: Some(to),
                error,
            } => {
                write!(f, "a datagram to {to} was not delivered: {error}")
            }
            Error::Undelivered { to: None, error } => {
                write!(f, "a datagram was not delivered: {error}")
            }
            Error::BufferedLimit { limit } => too_much_buffered(f, *limit),
            Error::InboxFull { limit } => write!(
                f,
                "the inbox is full ({limit} bytes) and the handler consumed nothing of it"
            ),
            Error::FrameTooLong { len, limit } => write!(
                f,
                "a frame of {len} bytes or more exceeds the codec's maximum of {limit} bytes"
            ),
            Error::BadFrame(why) => f.write_str(why),
            Error::UnfinishedFrame { len } => {
                write!(
                    f,
                    "the stream ended within a frame, of which {len} bytes had come"
                )
            }
            Error::TooManyDescriptors { count, limit } => write!(
                f,
                "{count} descriptors are too many: the limit is {limit} (and 253 for one message)"
            ),
            Error::TooManySources { limit } => write!(f, "the limit of {limit} sources is reached"),
            Error::TooManyTimers { limit } => write!(f, "the limit of {limit} timers is reached"),
            Error::TooManyJobs { limit } => reached(f, *limit, "jobs under way"),
            Error::TooManyLanes { limit } => reached(f, *limit, "serial lanes"),
            Error::StaleFile(file) => write!(f, "{file} is closed"),
            Error::TooManyFiles { limit } => reached(f, *limit, "open files"),
            Error::FileBytes { limit } => too_many_file_bytes(f, *limit),
            Error::ShuttingDown => f.write_str("the reactor is shutting down"),
            Error::Unhandled(method) => write!(f, "the handler does not implement {method}"),
            Error::Panicked(message) => write!(f, "panicked: {message}"),
            Error::Member { index, error } => write!(f, "reactor {index}: {error}"),
            Error::Tls(why) => f.write_str(why),
            Error::Recording(why) => f.write_str(why),
            Error::Diverged(divergence) => divergence.fmt(f),
            Error::Other(error) => error.fmt(f),
        }
    }
}

fn reached(f: &mut fmt::Formatter<'_>, limit: usize, what: &str) -> fmt::Result {
    write!(f, "the limit of {limit} {what} is reached")
}

fn too_much_buffered(f: &mut fmt::Formatter<'_>, limit: usize) -> fmt::Result {
    write!(
        f,
        "all sources together hold {limit} bytes, the reactor's limit"
    )
}

fn too_many_file_bytes(f: &mut fmt::Formatter<'_>, limit: usize) -> fmt::Result {
    write!(
        f,
        "more than {limit} bytes would be on their way to and from files: ask again in \
         handle_file, for less, or raise max_file_bytes"
    )
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(error) => error.source(),
            Error::Undelivered { error, .. } => Some(error),
            Error::Other(error) => error.source(),
            Error::Member { error, .. } => error.source(),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}

impl From<std::str::Utf8Error> for Error {
    fn from(error: std::str::Utf8Error) -> Error {
        Error::other(error)
    }
}

impl From<fmt::Error> for Error {
    fn from(error: fmt::Error) -> Error {
        Error::other(error)
    }
}

impl From<String> for Error {
    fn from(text: String) -> Error {
        Error::other(text)
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Error {
        Error::other(text)
    }
}
