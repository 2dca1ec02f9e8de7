//! A socket as a driver of readiness holds it, in the form in which `mio` can be told of it, and the
//! calls that the systems have in different forms. It must never be watched in another form: on
//! Windows, `mio` knows its own types only.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::net::Shutdown;

use rustix::fd::AsFd;

#[cfg(unix)]
pub(super) use unix::{
    NO_SIGNAL, Socket, Source, accept, begin_connect, hold, is_out_of_resources, receive,
    send_gathered, source,
};
#[cfg(windows)]
pub(super) use windows::{
    NO_SIGNAL, Socket, accept, begin_connect, hold, is_out_of_resources, receive, send_gathered,
    source,
};

/// Fails only when the connection is gone, which the next read reports.
pub(super) fn shut_down(socket: impl AsFd, how: Shutdown) {
    let how = match how {
        Shutdown::Read => rustix::net::Shutdown::Read,
        Shutdown::Write => rustix::net::Shutdown::Write,
        Shutdown::Both => rustix::net::Shutdown::Both,
    };
    let _ = rustix::net::shutdown(socket, how);
}
