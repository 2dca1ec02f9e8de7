//! Standard input and output, pipes, terminals and files as streams of bytes.
//! It must never make a description that is shared with other processes non-blocking.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use crate::driver::Channel;
use crate::sources::Way;
use crate::{Result, Stream};

/// Standard streams, pipes, FIFOs, terminals and files are streams like connections: bytes come by
/// `handle_read`, their end by `handle_eof`, and what is sent waits in the outbox while nobody reads
/// it. [`TryFrom`] takes any descriptor; whether it is read, written or both is what it was opened for.
///
/// - Nothing changes for others that have the pipe or terminal open (`O_NONBLOCK` belongs to all of
///   them): it is opened once more, or each call is made only when it does not wait.
/// - What is only read cannot be sent to ([`Error::SendingEnded`](crate::Error::SendingEnded)). What
///   is only written has no end to tell of: if its reader goes away, the source ends with
///   `BrokenPipe`, also while it has nothing to send.
/// - Closing one throws nothing away: what it has not read is there for whoever reads next.
/// - Regular files are always ready. A read of one may wait for the disk, for up to 256 KiB a tick.
/// - A terminal gives a line at a time, as it does to every program, and its end by Ctrl-D.
///
/// ```
/// use std::io::{Read, Write, pipe};
/// use switchboard::{Context, Handler, Reactor, Result, Stream, Token};
///
/// struct Shout {
///     output: Token,
/// }
///
/// impl Handler<()> for Shout {
///     fn handle_read(&mut self, _: &mut (), cx: &mut Context<'_, ()>) -> Result {
///         let loud = cx.recv(1024).to_ascii_uppercase();
///         cx.send_to(self.output, loud)
///     }
///
///     fn handle_eof(&mut self, _: &mut (), cx: &mut Context<'_, ()>) -> Result {
///         cx.close_source(self.output); // when all is written
///         cx.close();
///         Ok(())
///     }
/// }
///
/// struct Output;
/// impl Handler<()> for Output {}
///
/// # fn main() -> Result {
/// let (input, mut typed) = pipe()?; // or `Stream::stdin()` and `Stream::stdout()`
/// let (mut shown, output) = pipe()?;
/// let mut reactor = Reactor::new(())?;
/// reactor.with(|_, cx| -> Result {
///     let output = cx.register(output.try_into()?, Output)?;
///     cx.register(input.try_into()?, Shout { output })?;
///     Ok(())
/// })?;
/// typed.write_all(b"hello\n")?;
/// drop(typed);
/// reactor.run()?;
/// let mut text = String::new();
/// shown.read_to_string(&mut text)?;
/// assert_eq!(text, "HELLO\n");
/// # Ok(())
/// # }
/// ```
impl Stream {
    /// Standard input. Closing the stream does not close it: this has a descriptor of its own.
    ///
    /// # Errors
    /// It is closed (the standard library of Rust opens `/dev/null` then, before `main`), or a
    /// directory.
    ///
    /// # Platforms
    /// Unix.
    pub fn stdin() -> Result<Stream> {
        standard(rustix::stdio::stdin(), Way::Reader)
    }

    /// Standard output. Closing the stream does not close it: this has a descriptor of its own.
    /// What `println!` writes may come between any two sends.
    ///
    /// # Errors
    /// As [`stdin`](Self::stdin).
    ///
    /// # Platforms
    /// Unix.
    pub fn stdout() -> Result<Stream> {
        standard(rustix::stdio::stdout(), Way::Writer)
    }

    /// Standard error, as [`stdout`](Self::stdout).
    ///
    /// # Errors
    /// As [`stdin`](Self::stdin).
    ///
    /// # Platforms
    /// Unix.
    pub fn stderr() -> Result<Stream> {
        standard(rustix::stdio::stderr(), Way::Writer)
    }
}

fn standard(fd: impl AsFd, way: Way) -> Result<Stream> {
    let own = rustix::io::fcntl_dupfd_cloexec(fd, 3).map_err(io::Error::from)?;
    let channel = Channel::open(own, way)?;
    Ok(Stream::of_channel(channel))
}

/// A pipe, a terminal or a file, as it was opened; see [`Stream::stdin`]. A socket becomes
/// non-blocking, and is a connection.
impl TryFrom<OwnedFd> for Stream {
    type Error = crate::Error;

    fn try_from(fd: OwnedFd) -> Result<Stream> {
        let stat = rustix::fs::fstat(&fd).map_err(io::Error::from)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Socket {
            rustix::io::ioctl_fionbio(&fd, true).map_err(io::Error::from)?;
            return Ok(Stream::new(fd));
        }
        let flags = rustix::fs::fcntl_getfl(&fd).map_err(io::Error::from)?;
        let way = match flags & OFlags::RWMODE {
            OFlags::RDONLY => Way::Reader,
            OFlags::WRONLY => Way::Writer,
            _ => Way::Both,
        };
        Ok(Stream::of_channel(Channel::open(fd, way)?))
    }
}

/// To be read.
impl TryFrom<io::PipeReader> for Stream {
    type Error = crate::Error;

    fn try_from(pipe: io::PipeReader) -> Result<Stream> {
        OwnedFd::from(pipe).try_into()
    }
}

/// To be written.
impl TryFrom<io::PipeWriter> for Stream {
    type Error = crate::Error;

    fn try_from(pipe: io::PipeWriter) -> Result<Stream> {
        OwnedFd::from(pipe).try_into()
    }
}

/// How many characters a terminal shows; see [`terminal_size`].
///
/// # Platforms
/// Unix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TerminalSize {
    /// Characters in a row.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// The size of the window of a terminal; `None` if it does not know, as one on a serial line. Makes
/// a system call. When the size changes, the system sends
/// [`SIGWINCH`](crate::signal::SIGWINCH) to the programs in the foreground.
///
/// ```no_run
/// use switchboard::{Context, Handler, Reactor, Result, signal, terminal_size};
///
/// struct Window;
///
/// impl Handler<()> for Window {
///     fn handle_signal(&mut self, _: &mut (), cx: &mut Context<'_, ()>, _: i32) -> Result {
///         if let Some(size) = terminal_size(std::io::stdout())? {
///             println!("{} by {}", size.columns, size.rows);
///         }
///         Ok(())
///     }
/// }
///
/// fn main() -> Result {
///     let mut reactor = Reactor::new(())?;
///     reactor.with(|_, cx| cx.signals(&[signal::SIGWINCH], Window))?;
///     reactor.run()
/// }
/// ```
///
/// # Errors
/// It is no terminal.
///
/// # Platforms
/// Unix.
pub fn terminal_size(terminal: impl AsFd) -> io::Result<Option<TerminalSize>> {
    let size = rustix::termios::tcgetwinsize(terminal).map_err(|error| match error {
        Errno::NOTTY => io::Error::new(io::ErrorKind::Unsupported, "it is no terminal"),
        error => error.into(),
    })?;
    let is_known = size.ws_col > 0 && size.ws_row > 0;
    Ok(is_known.then_some(TerminalSize {
        columns: size.ws_col,
        rows: size.ws_row,
    }))
}
