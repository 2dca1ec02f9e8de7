//! How entries are written. Those of every message are written without a detour.
//! It must never write what [`Entry::take`](super::Entry::take) does not read again.

use std::io;
#[cfg(unix)]
use std::os::unix::process::ExitStatusExt;
use std::time::SystemTime;

use super::{Answer, Call, End, Went, tag};
use crate::driver::Event;
use crate::driver::recorded::datagrams::put_datagram;
use crate::replayable::{Replayable, put_slice};
use crate::{Time, Token};

pub(in crate::driver::recorded) fn put_tick(out: &mut Vec<u8>, now: Time) {
    out.push(tag::TICK);
    now.encode(out);
}

pub(in crate::driver::recorded) fn put_clock(out: &mut Vec<u8>, now: Time) {
    out.push(tag::CLOCK);
    now.encode(out);
}

pub(in crate::driver::recorded) fn put_wall_time(out: &mut Vec<u8>, time: SystemTime) {
    out.push(tag::WALL_TIME);
    time.encode(out);
}

pub(in crate::driver::recorded) fn put_stop(out: &mut Vec<u8>, level: u8) {
    out.extend_from_slice(&[tag::STOP, level]);
}

pub(in crate::driver::recorded) fn put_unflushed(out: &mut Vec<u8>, token: Token) {
    out.push(tag::UNFLUSHED);
    token.encode(out);
}

#[cfg(feature = "tls")]
pub(in crate::driver::recorded) fn put_kept(out: &mut Vec<u8>, token: Token) {
    out.push(tag::KEPT);
    token.encode(out);
}

pub(in crate::driver::recorded) fn put_nothing_more(out: &mut Vec<u8>) {
    out.push(tag::NOTHING_MORE);
}

pub(in crate::driver::recorded) fn put_end(out: &mut Vec<u8>, end: &End) {
    out.push(tag::END);
    match end {
        End::Complete => out.push(0),
        End::AtBound => out.push(1),
        End::TooSlow => out.push(2),
        End::Unrecordable(what) => {
            out.push(3);
            what.encode(out);
        }
    }
}

/// An entry with bytes, of which each message makes two.
#[inline(always)]
fn put_bytes(out: &mut Vec<u8>, tag: u8, token: Token, bytes: &[u8]) {
    let len = bytes.len();
    // The usual numbers are one byte each, and written without a look at each of them.
    if (token.slot | token.generation) < 0x80 && len < 0x80 {
        out.extend_from_slice(&[tag, token.slot as u8, token.generation as u8, len as u8]);
    } else {
        put_head(out, tag, token, len);
    }
    out.extend_from_slice(bytes);
}

#[inline(never)]
fn put_head(out: &mut Vec<u8>, tag: u8, token: Token, len: usize) {
    out.push(tag);
    token.encode(out);
    len.encode(out);
}

#[inline]
pub(in crate::driver::recorded) fn put_received(out: &mut Vec<u8>, token: Token, bytes: &[u8]) {
    put_bytes(out, tag::RECEIVED, token, bytes);
}

/// All that waited went out, and all of it was new.
#[inline]
pub(in crate::driver::recorded) fn put_sent_all(out: &mut Vec<u8>, token: Token, bytes: &[u8]) {
    put_bytes(out, tag::SENT_ALL, token, bytes);
}

/// As [`put_sent_all`], for `len` bytes that begin `back` before this entry.
#[inline]
pub(in crate::driver::recorded) fn put_sent_again(
    out: &mut Vec<u8>,
    token: Token,
    back: usize,
    len: usize,
) {
    // As in `put_bytes`, and most lie so far back that this takes two bytes.
    if (token.slot | token.generation) < 0x80 && len < 0x80 && (0x80..0x4000).contains(&back) {
        let (slot, generation) = (token.slot as u8, token.generation as u8);
        let [low, high] = [back as u8 | 0x80, (back >> 7) as u8];
        out.extend_from_slice(&[tag::SENT_AGAIN, slot, generation, low, high, len as u8]);
    } else {
        put_long_sent_again(out, token, back, len);
    }
}

#[inline(never)]
fn put_long_sent_again(out: &mut Vec<u8>, token: Token, back: usize, len: usize) {
    out.push(tag::SENT_AGAIN);
    token.encode(out);
    back.encode(out);
    len.encode(out);
}

/// `new` is what an outbox holds that it did not when it was flushed last, piece by piece.
pub(in crate::driver::recorded) fn put_send<'a>(
    out: &mut Vec<u8>,
    token: Token,
    len: usize,
    new: impl Iterator<Item = &'a [u8]>,
) {
    put_head(out, tag::SEND, token, len);
    new.for_each(|piece| out.extend_from_slice(piece));
}

/// What came of it: the end of the entry that [`put_send`] begins.
pub(in crate::driver::recorded) fn put_sent(
    out: &mut Vec<u8>,
    went: Went,
    failed: Option<&io::Error>,
) {
    match (went, failed) {
        (Went::All, None) => out.push(0),
        (Went::All, Some(error)) => {
            out.push(1);
            error.encode(out);
        }
        (Went::Some(bytes), failed) => {
            out.push(2 + u8::from(failed.is_some()));
            bytes.encode(out);
            failed.iter().for_each(|error| error.encode(out));
        }
    }
}

/// What has happened, but for bytes, the results of jobs, and what cannot be recorded.
pub(in crate::driver::recorded) fn put_event(out: &mut Vec<u8>, token: Token, event: &Event<'_>) {
    let tag = match event {
        Event::Sent => tag::SENT,
        Event::EndOfFile => tag::END_OF_FILE,
        Event::Accepted(_) => tag::ACCEPTED,
        Event::AcceptFailed(_) => tag::ACCEPT_FAILED,
        Event::Connected => tag::CONNECTED,
        #[cfg(feature = "tls")]
        Event::Secured(_) => tag::SECURED,
        Event::Failed(_) => tag::FAILED,
        #[cfg(unix)]
        Event::Signal(_) => tag::SIGNAL,
        #[cfg(unix)]
        Event::Exited(_) => tag::EXITED,
        Event::Resolved(..) => tag::RESOLVED,
        Event::Received(bytes) => return put_received(out, token, bytes),
        Event::Datagram(datagram) => return put_datagram(out, token, datagram),
        Event::Undelivered(_) => tag::UNDELIVERED,
        Event::Unsent(_) => tag::UNSENT,
        Event::File(_) => tag::FILE,
        #[cfg(unix)]
        Event::ReceivedWith(..) | Event::Ready(_) => return,
        Event::Done(_) => return,
    };
    out.push(tag);
    token.encode(out);
    match event {
        Event::Accepted(stream) => stream
            .known_ends()
            .into_iter()
            .for_each(|ends| ends.encode(out)),
        Event::AcceptFailed(error) | Event::Failed(error) => error.encode(out),
        #[cfg(feature = "tls")]
        Event::Secured(session) => session.encode(out),
        #[cfg(unix)]
        Event::Signal(signal) => signal.encode(out),
        #[cfg(unix)]
        Event::Exited(status) => status.into_raw().encode(out),
        Event::Undelivered(what) => what.encode(out),
        Event::Unsent(rest) => rest.encode(out),
        Event::Resolved(host, addresses) => {
            host.encode(out);
            addresses.encode(out);
        }
        Event::File(done) => done.encode(out),
        _ => {}
    }
}

pub(in crate::driver::recorded) fn put_done(
    out: &mut Vec<u8>,
    token: Token,
    job: u64,
    value: Result<&[u8], &String>,
) {
    out.push(tag::DONE);
    token.encode(out);
    job.encode(out);
    out.push(value.is_ok().into());
    match value {
        Ok(bytes) => put_slice(out, bytes),
        Err(message) => message.encode(out),
    }
}

pub(in crate::driver::recorded) fn put_call(out: &mut Vec<u8>, call: &Call, answer: &Answer) {
    match call {
        Call::Bind(endpoint) => {
            out.push(tag::BIND);
            endpoint.encode(out);
        }
        Call::BindUdp(endpoint) => {
            out.push(tag::BIND_UDP);
            endpoint.encode(out);
        }
        Call::Register(token, kind) => put_asked(out, tag::REGISTER, *token, kind),
        Call::Listen(token, addresses) => put_asked(out, tag::LISTEN, *token, addresses),
        Call::ListenUdp(token, addresses) => put_asked(out, tag::LISTEN_UDP, *token, addresses),
        Call::Connect(token, address) => put_asked(out, tag::CONNECT, *token, address),
        Call::ConnectUnix(token, address) => put_asked(out, tag::CONNECT_UNIX, *token, address),
        Call::Resolve(token, endpoint) => put_asked(out, tag::RESOLVE, *token, endpoint),
        Call::Offload(token, job) => put_asked(out, tag::OFFLOAD, *token, job),
        Call::OffloadOn(token, job, lane) => {
            put_asked(out, tag::OFFLOAD_ON, *token, &(*job, *lane));
        }
        Call::AskFile(token, what) => put_asked(out, tag::ASK_FILE, *token, what),
        Call::Forward(token, range) => {
            put_asked(out, tag::FORWARD, *token, &(range.start, range.end));
        }
        Call::SetReading(token, reading) => put_asked(out, tag::SET_READING, *token, reading),
        Call::SetRoom(token, room) => put_asked(out, tag::SET_ROOM, *token, room),
        Call::Shutdown(token, how) => put_asked(out, tag::SHUTDOWN, *token, how),
        Call::KillChild(token, signal) => put_asked(out, tag::KILL_CHILD, *token, signal),
        Call::Close(token) => put_asked(out, tag::CLOSE, *token, &()),
        Call::StartTls(token, plain) => put_bytes(out, tag::START_TLS, *token, plain),
        Call::Drop => out.push(tag::DROP),
    }
    answer.encode(out);
}

/// What a source was asked to do.
fn put_asked(out: &mut Vec<u8>, tag: u8, token: Token, what: &impl Replayable) {
    out.push(tag);
    token.encode(out);
    what.encode(out);
}
