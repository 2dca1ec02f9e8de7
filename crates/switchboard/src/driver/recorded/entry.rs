//! What a recording consists of: what the driver answered and brought, and what it was asked for,
//! one entry after the other. It must never hold what a replay computes again by itself.

mod put;

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::ops::Range;
#[cfg(unix)]
use std::os::unix::process::ExitStatusExt;
#[cfg(unix)]
use std::process::ExitStatus;
use std::time::SystemTime;

use super::datagrams::SentDatagrams;
use crate::driver::Event;
use crate::net::{KnownEnds, UnixAddress, copy_of};
use crate::offload::Job;
use crate::replayable::{Replayable, take, take_slice};
use crate::sources::Kind;
use crate::{Address, Stream, Time, Token};

#[cfg(feature = "tls")]
pub(super) use put::put_kept;
pub(super) use put::{
    put_call, put_clock, put_done, put_end, put_event, put_nothing_more, put_received, put_send,
    put_sent, put_sent_again, put_sent_all, put_stop, put_tick, put_unflushed, put_wall_time,
};

/// One entry. Bytes are lent from the frame that it lies in.
#[derive(Debug)]
pub(super) enum Entry<'f> {
    /// A wait has returned, and the clock showed this.
    Tick(Time),
    /// The clock was read outside of a tick.
    Clock(Time),
    WallTime(SystemTime),
    /// A shutdown was heeded at the beginning of this tick; how far it goes.
    Stop(u8),
    Received(Token, &'f [u8]),
    Datagram {
        token: Token,
        is_truncated: bool,
        from: Address,
        bytes: &'f [u8],
    },
    Happened(Token, Event<'static>),
    /// A job has ended, with what its value was encoded as.
    Done {
        token: Token,
        job: u64,
        value: Result<&'f [u8], String>,
    },
    /// Nothing more has happened in this tick.
    NothingMore,
    Call(Call, Answer),
    Send(Send<'f>),
    SentDatagrams(SentDatagrams<'f>),
    /// As `Send` when all went out and was new: bytes that lie in the frame already.
    SentAgain {
        token: Token,
        /// How far before this entry they begin.
        back: usize,
        len: usize,
    },
    /// The kernel did not have all that the driver had taken, when that was asked. (It mostly has,
    /// and then there is no entry.)
    Unflushed(Token),
    /// The driver itself still held some of it, when that was asked.
    Kept(Token),
    End(End),
}

/// What a source has sent was given to the driver.
#[derive(Debug)]
pub(super) struct Send<'f> {
    pub(super) token: Token,
    /// What is new since that was done last.
    pub(super) new: &'f [u8],
    pub(super) went: Went,
    pub(super) failed: Option<io::Error>,
}

/// How much of what waited went out, what waited before included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    All,
    Some(usize),
}

impl Went {
    #[inline]
    pub(super) fn of(went: usize, len: usize) -> Went {
        match went == len {
            true => Went::All,
            false => Went::Some(went),
        }
    }

    /// Of `len` bytes; `None` if there were not as many.
    pub(super) fn out_of(self, len: usize) -> Option<usize> {
        match self {
            Went::All => Some(len),
            Went::Some(went) => (went <= len).then_some(went),
        }
    }
}

/// What the driver is asked for, apart from sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    Bind(String),
    BindUdp(String),
    Register(Token, Kind),
    Listen(Token, Vec<SocketAddr>),
    ListenUdp(Token, Vec<SocketAddr>),
    Connect(Token, SocketAddr),
    ConnectUnix(Token, UnixAddress),
    Resolve(Token, String),
    Offload(Token, u64),
    /// And on which lane.
    OffloadOn(Token, u64, u32),
    /// And what, in words.
    AskFile(Token, String),
    Forward(Token, Range<usize>),
    SetReading(Token, bool),
    SetRoom(Token, usize),
    Shutdown(Token, Shutdown),
    KillChild(Token, i32),
    Close(Token),
    /// From here on the source speaks TLS; this went out as it is before.
    StartTls(Token, Vec<u8>),
    /// The reactor is dropped.
    Drop,
}

/// What it answered.
#[derive(Debug)]
pub(super) enum Answer {
    Nothing,
    Began,
    Count(usize),
    Addresses(Vec<Address>),
    Failed(io::Error),
    /// The program's own descriptor did.
    Panicked(String),
}

/// Why a recording ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The reactor was dropped.
    Complete,
    /// It would have grown beyond its bound.
    AtBound,
    /// It could not be written as fast as it grew.
    TooSlow,
    /// Something came that cannot be recorded.
    Unrecordable(String),
}

impl Call {
    pub(super) fn of_job(token: Token, job: &Job) -> Call {
        match &job.lane {
            Some(on) => Call::OffloadOn(token, job.id.0, on.lane.0),
            None => Call::Offload(token, job.id.0),
        }
    }
}

impl Answer {
    pub(super) fn of(result: &io::Result<()>) -> Answer {
        match result {
            Ok(()) => Answer::Began,
            Err(error) => Answer::Failed(copy_of(error)),
        }
    }

    pub(super) fn of_count(result: &io::Result<usize>) -> Answer {
        match result {
            Ok(n) => Answer::Count(*n),
            Err(error) => Answer::Failed(copy_of(error)),
        }
    }
}

/// The first byte of an entry says what it is. Numbers are never given a second meaning: a new
/// kind of entry takes a new one, and raises the version of the format.
pub(super) mod tag {
    pub(super) const TICK: u8 = 1;
    pub(super) const CLOCK: u8 = 2;
    pub(super) const WALL_TIME: u8 = 3;
    pub(super) const STOP: u8 = 4;
    pub(super) const NOTHING_MORE: u8 = 5;
    pub(super) const SEND: u8 = 6;
    pub(super) const END: u8 = 7;
    pub(super) const SENT_ALL: u8 = 8;
    pub(super) const UNFLUSHED: u8 = 9;
    pub(super) const SENT_AGAIN: u8 = 10;
    pub(in super::super) const SENT_DATAGRAMS: u8 = 11;
    pub(in super::super) const DATAGRAM: u8 = 12;
    pub(super) const KEPT: u8 = 15;

    pub(super) const ACCEPTED: u8 = 16;
    pub(super) const ACCEPT_FAILED: u8 = 17;
    pub(super) const CONNECTED: u8 = 18;
    pub(super) const RECEIVED: u8 = 19;
    pub(super) const END_OF_FILE: u8 = 20;
    pub(super) const SENT: u8 = 21;
    pub(super) const FAILED: u8 = 22;
    #[cfg(unix)]
    pub(super) const SIGNAL: u8 = 23;
    pub(super) const RESOLVED: u8 = 24;
    pub(super) const DONE: u8 = 25;
    pub(super) const UNSENT: u8 = 26;
    pub(super) const UNDELIVERED: u8 = 27;
    #[cfg(unix)]
    pub(super) const EXITED: u8 = 31;
    #[cfg(feature = "tls")]
    pub(super) const SECURED: u8 = 29;
    pub(super) const FILE: u8 = 30;

    pub(super) const BIND: u8 = 32;
    pub(super) const REGISTER: u8 = 33;
    pub(super) const LISTEN: u8 = 34;
    pub(super) const CONNECT: u8 = 35;
    pub(super) const RESOLVE: u8 = 36;
    pub(super) const OFFLOAD: u8 = 37;
    pub(super) const FORWARD: u8 = 38;
    pub(super) const SET_READING: u8 = 39;
    pub(super) const SET_ROOM: u8 = 40;
    pub(super) const SHUTDOWN: u8 = 41;
    pub(super) const CLOSE: u8 = 42;
    pub(super) const DROP: u8 = 43;
    pub(super) const CONNECT_UNIX: u8 = 44;
    pub(super) const BIND_UDP: u8 = 45;
    pub(super) const LISTEN_UDP: u8 = 46;
    pub(super) const OFFLOAD_ON: u8 = 47;
    pub(super) const KILL_CHILD: u8 = 63;
    pub(super) const START_TLS: u8 = 55;
    pub(super) const ASK_FILE: u8 = 60;
}

impl<'f> Entry<'f> {
    /// Whether it can stand between two turns of the loop.
    pub(super) fn is_outside(&self) -> bool {
        matches!(
            self,
            Entry::Tick(_)
                | Entry::Clock(_)
                | Entry::Call(Call::Bind(_) | Call::BindUdp(_) | Call::Drop, _)
                | Entry::End(_)
        )
    }

    /// Takes an entry off the front; `None` if there is none that can be understood.
    pub(super) fn take(bytes: &mut &'f [u8]) -> Option<Entry<'f>> {
        let tag = u8::decode(bytes)?;
        Some(match tag {
            tag::TICK => Entry::Tick(Time::decode(bytes)?),
            tag::CLOCK => Entry::Clock(Time::decode(bytes)?),
            tag::WALL_TIME => Entry::WallTime(Replayable::decode(bytes)?),
            tag::STOP => Entry::Stop(Replayable::decode(bytes)?),
            tag::NOTHING_MORE => Entry::NothingMore,
            tag::SEND => Entry::Send(Send::take(bytes)?),
            tag::SENT_ALL => Entry::Send(Send {
                token: Token::decode(bytes)?,
                new: take_slice(bytes)?,
                went: Went::All,
                failed: None,
            }),
            tag::SENT_AGAIN => Entry::SentAgain {
                token: Token::decode(bytes)?,
                back: Replayable::decode(bytes)?,
                len: Replayable::decode(bytes)?,
            },
            tag::SENT_DATAGRAMS => Entry::SentDatagrams(SentDatagrams::take(bytes)?),
            tag::DATAGRAM => Entry::Datagram {
                token: Token::decode(bytes)?,
                is_truncated: Replayable::decode(bytes)?,
                from: Replayable::decode(bytes)?,
                bytes: take_slice(bytes)?,
            },
            tag::UNFLUSHED => Entry::Unflushed(Token::decode(bytes)?),
            tag::KEPT => Entry::Kept(Token::decode(bytes)?),
            tag::END => Entry::End(End::take(bytes)?),
            tag::DONE => Entry::Done {
                token: Token::decode(bytes)?,
                job: Replayable::decode(bytes)?,
                value: match bool::decode(bytes)? {
                    true => Ok(take_slice(bytes)?),
                    false => Err(Replayable::decode(bytes)?),
                },
            },
            tag::RECEIVED => Entry::Received(Token::decode(bytes)?, take_slice(bytes)?),
            tag::ACCEPTED..tag::BIND => {
                let token = Token::decode(bytes)?;
                Entry::Happened(token, take_event(tag, bytes)?)
            }
            _ => {
                let call = Call::take(tag, bytes)?;
                Entry::Call(call, Answer::decode(bytes)?)
            }
        })
    }
}

fn take_event(tag: u8, bytes: &mut &[u8]) -> Option<Event<'static>> {
    Some(match tag {
        tag::ACCEPTED => Event::Accepted(Stream::replayed(KnownEnds::decode(bytes)?)),
        tag::ACCEPT_FAILED => Event::AcceptFailed(Replayable::decode(bytes)?),
        tag::CONNECTED => Event::Connected,
        #[cfg(feature = "tls")]
        tag::SECURED => Event::Secured(Box::new(Replayable::decode(bytes)?)),
        tag::END_OF_FILE => Event::EndOfFile,
        tag::SENT => Event::Sent,
        tag::UNSENT => Event::Unsent(Box::new(Replayable::decode(bytes)?)),
        tag::UNDELIVERED => Event::Undelivered(Replayable::decode(bytes)?),
        tag::FAILED => Event::Failed(Replayable::decode(bytes)?),
        #[cfg(unix)]
        tag::SIGNAL => Event::Signal(Replayable::decode(bytes)?),
        #[cfg(unix)]
        tag::EXITED => Event::Exited(ExitStatus::from_raw(Replayable::decode(bytes)?)),
        tag::RESOLVED => {
            let (host, addresses) = Replayable::decode(bytes)?;
            Event::Resolved(host, addresses)
        }
        tag::FILE => Event::File(Box::new(Replayable::decode(bytes)?)),
        _ => return None,
    })
}

impl Call {
    fn take(tag: u8, bytes: &mut &[u8]) -> Option<Call> {
        match tag {
            tag::BIND => return Some(Call::Bind(Replayable::decode(bytes)?)),
            tag::BIND_UDP => return Some(Call::BindUdp(Replayable::decode(bytes)?)),
            tag::DROP => return Some(Call::Drop),
            _ => {}
        }
        let token = Token::decode(bytes)?;
        Some(match tag {
            tag::REGISTER => Call::Register(token, Replayable::decode(bytes)?),
            tag::LISTEN => Call::Listen(token, Replayable::decode(bytes)?),
            tag::LISTEN_UDP => Call::ListenUdp(token, Replayable::decode(bytes)?),
            tag::CONNECT => Call::Connect(token, Replayable::decode(bytes)?),
            tag::CONNECT_UNIX => Call::ConnectUnix(token, Replayable::decode(bytes)?),
            tag::RESOLVE => Call::Resolve(token, Replayable::decode(bytes)?),
            tag::OFFLOAD => Call::Offload(token, Replayable::decode(bytes)?),
            tag::OFFLOAD_ON => {
                let (job, lane) = Replayable::decode(bytes)?;
                Call::OffloadOn(token, job, lane)
            }
            tag::ASK_FILE => Call::AskFile(token, Replayable::decode(bytes)?),
            tag::FORWARD => {
                let (start, end) = Replayable::decode(bytes)?;
                Call::Forward(token, start..end)
            }
            tag::SET_READING => Call::SetReading(token, Replayable::decode(bytes)?),
            tag::SET_ROOM => Call::SetRoom(token, Replayable::decode(bytes)?),
            tag::SHUTDOWN => Call::Shutdown(token, Replayable::decode(bytes)?),
            tag::KILL_CHILD => Call::KillChild(token, Replayable::decode(bytes)?),
            tag::CLOSE => Call::Close(token),
            tag::START_TLS => Call::StartTls(token, take_slice(bytes)?.to_vec()),
            _ => return None,
        })
    }
}

impl<'f> Send<'f> {
    fn take(bytes: &mut &'f [u8]) -> Option<Send<'f>> {
        let token = Token::decode(bytes)?;
        let new = take_slice(bytes)?;
        let end = u8::decode(bytes)?;
        let went = match end {
            0 | 1 => Went::All,
            2 | 3 => Went::Some(Replayable::decode(bytes)?),
            _ => return None,
        };
        let failed = match end {
            1 | 3 => Some(Replayable::decode(bytes)?),
            _ => None,
        };
        Some(Send {
            token,
            new,
            went,
            failed,
        })
    }
}

impl End {
    fn take(bytes: &mut &[u8]) -> Option<End> {
        Some(match u8::decode(bytes)? {
            0 => End::Complete,
            1 => End::AtBound,
            2 => End::TooSlow,
            3 => End::Unrecordable(Replayable::decode(bytes)?),
            _ => return None,
        })
    }
}

impl Replayable for Answer {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Answer::Nothing => out.push(0),
            Answer::Began => out.push(1),
            Answer::Count(n) => {
                out.push(2);
                n.encode(out);
            }
            Answer::Addresses(addresses) => {
                out.push(3);
                addresses.encode(out);
            }
            Answer::Failed(error) => {
                out.push(4);
                error.encode(out);
            }
            Answer::Panicked(message) => {
                out.push(5);
                message.encode(out);
            }
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Answer> {
        Some(match u8::decode(bytes)? {
            0 => Answer::Nothing,
            1 => Answer::Began,
            2 => Answer::Count(Replayable::decode(bytes)?),
            3 => Answer::Addresses(Replayable::decode(bytes)?),
            4 => Answer::Failed(Replayable::decode(bytes)?),
            5 => Answer::Panicked(Replayable::decode(bytes)?),
            _ => return None,
        })
    }
}

impl Replayable for Token {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.slot.encode(out);
        self.generation.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Token> {
        let (slot, generation) = Replayable::decode(bytes)?;
        Some(Token { slot, generation })
    }
}

impl Replayable for Time {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_nanos().encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Time> {
        u64::decode(bytes).map(Time::from_nanos)
    }
}

/// Values of one byte, by their place in a list.
macro_rules! listed {
    ($($type:ty: $($value:path),*;)*) => {$(
        impl Replayable for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                let place = [$($value),*].iter().position(|value| value == self);
                out.push(place.map_or(u8::MAX, |place| place as u8));
            }

            fn decode(bytes: &mut &[u8]) -> Option<$type> {
                [$($value),*].get(usize::from(take(bytes, 1)?[0])).copied()
            }
        }
    )*};
}

listed! {
    Kind: Kind::Stream, Kind::Listener, Kind::Watch, Kind::Signals, Kind::Child, Kind::Datagram, Kind::File;
    Shutdown: Shutdown::Read, Shutdown::Write, Shutdown::Both;
}
