//! A stream of bytes that is not received and sent as sockets usually are, since descriptors may
//! travel with its bytes. The drivers of the system poll it, and read and write it here, at once.
//! It must never block, and never let a descriptor leak that has come.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use crate::outbox::Outbox;

/// Descriptors that Linux takes with one message (`SCM_MAX_FD`; others take more).
pub(crate) const MESSAGE_DESCRIPTORS: usize = 253;

#[derive(Debug)]
pub(crate) struct Channel {
    socket: OwnedFd,
    /// How many descriptors may have come and not be taken, or wait to be sent.
    pub(crate) limit: usize,
}

/// What one read has found.
pub(crate) struct Read {
    /// How many bytes: 0 at the end of the stream.
    pub(crate) bytes: usize,
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl Channel {
    /// A Unix socket whose bytes descriptors may come and go with.
    pub(crate) fn carrying(socket: OwnedFd, limit: usize) -> Channel {
        Channel { socket, limit }
    }

    /// Reads what is there now, if anything is. Less than asked for does not mean that it was all:
    /// a read ends behind the bytes that descriptors came with.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<Read> {
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(buffer)];
        let message = rustix::net::recvmsg(&self.socket, &mut slices, &mut control, RECEIVE)?;
        let rights = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let descriptors: Vec<OwnedFd> = rights.flatten().collect();
        #[cfg(target_vendor = "apple")]
        for descriptor in &descriptors {
            rustix::io::ioctl_fioclex(descriptor)?;
        }
        if message.flags.contains(ReturnFlags::CTRUNC) {
            return Err(Errno::MFILE.into()); // those that had no room in the process are lost
        }
        Ok(Read {
            bytes: message.bytes,
            descriptors,
        })
    }

    /// Sends what can be now, from the front of the outbox. False if more has to wait.
    pub(crate) fn send(&self, outbox: &mut Outbox) -> io::Result<bool> {
        while let Some((bytes, descriptors)) = outbox.parcel() {
            match self.write(bytes, descriptors) {
                Ok(n) => outbox.advance_parcel(n),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Writes some of these bytes, and the descriptors with the first of them.
    pub(crate) fn write(&self, bytes: &[u8], descriptors: &[OwnedFd]) -> Result<usize, Errno> {
        let slices = [IoSlice::new(bytes)];
        if descriptors.is_empty() {
            let mut none = SendAncillaryBuffer::default();
            return rustix::net::sendmsg(&self.socket, &slices, &mut none, SEND);
        }
        let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(Errno::INVAL);
        }
        rustix::net::sendmsg(&self.socket, &slices, &mut control, SEND)
    }

    pub(crate) fn shutdown(&self, how: Shutdown) {
        shut_down(&self.socket, how);
    }
}

/// Fails only when the connection is gone, which the next read reports.
pub(super) fn shut_down(socket: impl AsFd, how: Shutdown) {
    let how = match how {
        Shutdown::Read => rustix::net::Shutdown::Read,
        Shutdown::Write => rustix::net::Shutdown::Write,
        Shutdown::Both => rustix::net::Shutdown::Both,
    };
    let _ = rustix::net::shutdown(socket, how);
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(not(target_vendor = "apple"))]
const RECEIVE: RecvFlags = RecvFlags::DONTWAIT.union(RecvFlags::CMSG_CLOEXEC);
#[cfg(target_vendor = "apple")]
const RECEIVE: RecvFlags = RecvFlags::DONTWAIT;

#[cfg(not(target_vendor = "apple"))]
const SEND: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(target_vendor = "apple")]
const SEND: SendFlags = SendFlags::DONTWAIT;
