//! A set of signals as something to wait for.
//! It must never run code of ours in a signal handler: `signal-hook` writes to a socket pair.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use super::claims::Claims;

/// Signals to catch, and whether a second one is to end the process.
pub(crate) struct Signals {
    pub(crate) numbers: Vec<i32>,
    pub(crate) is_forcing: bool,
}

/// Signals that this process catches for as long as the set lives.
pub(crate) struct SignalSet {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
    _claims: Claims,
}

impl SignalSet {
    pub(crate) fn new(wanted: &Signals) -> io::Result<SignalSet> {
        let claims = Claims::new(&wanted.numbers, wanted.is_forcing)?;
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        let delivery = SignalDelivery::with_pipe(read, write, SignalOnly, &wanted.numbers)?;
        Ok(SignalSet {
            delivery,
            _claims: claims,
        })
    }

    /// Whether the system lets a program catch it (and not, say, end it: SIGKILL).
    pub(crate) fn can_catch(signal: i32) -> bool {
        // `signal-hook` panics at numbers outside of its table, which is larger than any system's.
        (1..128).contains(&signal) && !signal_hook::consts::FORBIDDEN.contains(&signal)
    }

    /// The signals that came since the last call, each once however often it came.
    pub(crate) fn pending(&mut self) -> impl Iterator<Item = i32> + use<> {
        self.delivery.pending()
    }
}

impl AsFd for SignalSet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalSet").finish_non_exhaustive()
    }
}
