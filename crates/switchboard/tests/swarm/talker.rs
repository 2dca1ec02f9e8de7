//! One end of a connection that does a bit of everything, as drawn from a number: it sends in
//! pieces of any size, reads in any style, pauses, half-closes, closes or aborts. It must never
//! send or skip a byte that the ledger does not know of.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::time::Duration;

use fastrand::Rng;
use switchboard::{
    Bytes, Close, Context, Deadline, Error, Handler, LoopContext, OutboxPolicy, Result,
    SourceOptions, TimerId, Token,
};

use crate::ledger::{Flow, Ledger};
use crate::life::{Alive, Lives};

/// The state of a host of talkers.
#[derive(Default)]
pub struct Host {
    pub lives: Lives,
    pub ledger: Ledger,
    /// Why its connections ended, and which.
    pub ends: Vec<(Flow, End, String)>,
    /// Nothing ends a connection but its own two ends.
    pub gentle: bool,
    /// How many sources it has that do not end.
    pub listeners: usize,
    /// All talk by a proxy, which cannot pass on how an end was meant: all half-close.
    pub by_proxy: bool,
    /// Of a proxy: where its accepted connections lead.
    pub pipes: BTreeMap<Token, Token>,
    /// Makes one more connection, that may be tried so often again.
    pub connect_again: Option<fn(&mut Host, &mut LoopContext<'_, Host>, u32)>,
}

impl Alive for Host {
    fn lives(&mut self) -> &mut Lives {
        &mut self.lives
    }
}

/// When it sends the next piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// As soon as there is room.
    Greedy,
    Timer,
    /// As an answer to what comes, and by timer, or two of them would wait for each other.
    Read,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    All,
    /// `recv` of so many.
    Portions(usize),
    /// Consumes about the half, and waits for more.
    Half,
    /// Consumes about the half, and asks for the rest.
    HalfAgain,
    /// Nothing before there are so many.
    Blocks(usize),
    /// All, and then nothing for so many milliseconds.
    Pauses(u64),
}

/// How it ends when all is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    HalfClose,
    Close,
    Abort,
}

/// What one end does, drawn from a number.
#[derive(Clone, Debug)]
pub struct Plan {
    pub out: Flow,
    /// Whose content the other direction has: its own, or that of an echo.
    pub like: Flow,
    /// How often to connect again if the connection fails.
    pub tries: u32,
    to_send: usize,
    piece: usize,
    pace: Pace,
    style: Style,
    pub end: End,
    options: SourceOptions,
    rng: Rng,
}

const KIB: usize = 1024;

impl Plan {
    /// Both ends of a connection can draw both plans.
    pub fn drawn(number: u64, out: Flow, most: usize, idle: Duration) -> Plan {
        let direction = u64::from(out.forth);
        let mut rng = Rng::with_seed(number ^ out.connection << 1 ^ direction << 40);
        rng.u64(..); // neighbouring seeds begin alike
        let to_send = match rng.u8(..8) {
            0 => 0,
            1..4 => rng.usize(..200),
            4..7 => rng.usize(..most / 8 + 1),
            _ => rng.usize(..=most),
        };
        let piece = [1, 7, 100, 600, 3 * KIB, 20 * KIB][rng.usize(..6)];
        let limit = [64, KIB, 256 * KIB][rng.usize(..3)];
        let style = match rng.u8(..6) {
            0 => Style::All,
            1 => Style::Portions([1, 50, 5000][rng.usize(..3)]),
            2 => Style::Half,
            3 => Style::HalfAgain,
            4 => Style::Blocks(rng.usize(1..=limit.min(2000))),
            _ => Style::Pauses(rng.u64(1..30)),
        };
        let high = [piece.max(100), 2 * piece + 500, KIB * KIB][rng.usize(..3)];
        let low = [0, high / 4, 64 * KIB][rng.usize(..3)];
        let options = SourceOptions::default()
            .with_inbox_limit(limit)
            .with_watermarks(low.min(high), high)
            .with_policy(OutboxPolicy::Refuse)
            .with_idle_timeout(idle);
        Plan {
            out,
            like: out.back(),
            tries: 0,
            to_send: to_send.min(piece * 2000),
            piece,
            pace: [Pace::Greedy, Pace::Timer, Pace::Read][rng.usize(..3)],
            style,
            end: [End::HalfClose, End::HalfClose, End::Close, End::Abort][rng.usize(..4)],
            options,
            rng,
        }
    }

    pub fn talker(self) -> Talker {
        Talker {
            plan: self,
            sending: None,
            resuming: None,
            finished: false,
            eof: false,
        }
    }
}

pub struct Talker {
    plan: Plan,
    sending: Option<TimerId>,
    resuming: Option<TimerId>,
    finished: bool,
    eof: bool,
}

impl Talker {
    pub fn begin(&mut self, host: &mut Host, cx: &mut Context<'_, Host>) -> Result {
        cx.set_options(self.plan.options)?;
        if self.plan.pace != Pace::Greedy {
            let period = Duration::from_millis(self.plan.rng.u64(1..20));
            self.sending = Some(cx.set_interval(period)?);
        }
        self.send(host, cx)
    }

    /// Sends the next piece, or as many as there is room for.
    fn send(&mut self, host: &mut Host, cx: &mut Context<'_, Host>) -> Result {
        if self.plan.rng.u8(..16) == 0 {
            host.lives.poke_an_ended_one(&mut self.plan.rng, cx);
        }
        while self.plan.to_send > 0 {
            let len = self
                .plan
                .rng
                .usize(1..=self.plan.piece)
                .min(self.plan.to_send);
            let bytes = host.ledger.next(self.plan.out, len);
            let before = cx.outbox_len();
            let outcome = match self.plan.rng.bool() {
                true => cx.send(&bytes),
                false => cx.send_bytes(Bytes::from(bytes)),
            };
            let high = cx.options().high_watermark();
            assert!(cx.outbox_len() <= high, "the outbox is above its bound");
            match outcome {
                Ok(()) => assert_eq!(cx.outbox_len(), before + len),
                Err(Error::Full { buffered, limit }) => {
                    assert_eq!((buffered, limit), (before, high));
                    assert!(before + len > limit, "it was not full");
                    assert_eq!(cx.outbox_len(), before, "a refused send was taken");
                    return Ok(()); // goes on in `handle_write`, whatever its pace
                }
                Err(error) => return Err(error),
            }
            host.ledger.taken(self.plan.out, len);
            self.plan.to_send -= len;
            if self.plan.pace != Pace::Greedy {
                return Ok(());
            }
        }
        self.finish(cx)
    }

    fn finish(&mut self, cx: &mut Context<'_, Host>) -> Result {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        if let Some(timer) = self.sending.take() {
            assert!(cx.cancel_timer(timer), "the interval was there");
        }
        match self.plan.end {
            End::HalfClose => cx.shutdown(Shutdown::Write)?,
            End::Close => cx.close(),
            End::Abort => cx.abort(),
        }
        Ok(())
    }

    fn consume(&self, host: &mut Host, cx: &mut Context<'_, Host>, n: usize) {
        host.ledger
            .got(self.plan.out.back(), self.plan.like, &cx.data()[..n]);
        cx.consume(n);
    }
}

impl Handler<Host> for Talker {
    fn handle_connect(&mut self, host: &mut Host, cx: &mut Context<'_, Host>) -> Result {
        cx.send(&hello(self.plan.out.connection))?;
        self.begin(host, cx)
    }

    fn handle_read(&mut self, host: &mut Host, cx: &mut Context<'_, Host>) -> Result {
        let len = cx.data().len();
        assert!(self.resuming.is_none(), "read while paused");
        assert!(!self.eof, "read behind the end");
        match self.plan.style {
            Style::All => self.consume(host, cx, len),
            Style::Portions(most) => {
                let bytes = cx.recv(most);
                host.ledger.got(self.plan.out.back(), self.plan.like, bytes);
            }
            Style::Half => self.consume(host, cx, len.div_ceil(2)),
            Style::HalfAgain => {
                self.consume(host, cx, len.div_ceil(2));
                cx.again();
            }
            Style::Blocks(block) => self.consume(host, cx, len / block * block),
            Style::Pauses(millis) => {
                self.consume(host, cx, len);
                cx.pause_reading();
                self.resuming = Some(cx.set_timer(Duration::from_millis(millis))?);
            }
        }
        match self.plan.pace {
            Pace::Read if !self.finished => self.send(host, cx),
            _ => Ok(()),
        }
    }

    fn handle_write(&mut self, host: &mut Host, cx: &mut Context<'_, Host>) -> Result {
        match self.finished {
            true => Ok(()),
            false => self.send(host, cx),
        }
    }

    fn handle_timer(
        &mut self,
        host: &mut Host,
        cx: &mut Context<'_, Host>,
        timer: TimerId,
    ) -> Result {
        if self.resuming == Some(timer) {
            self.resuming = None;
            cx.resume_reading();
            return Ok(());
        }
        assert_eq!(self.sending, Some(timer), "a timer that was cancelled");
        self.send(host, cx)
    }

    fn handle_eof(&mut self, host: &mut Host, cx: &mut Context<'_, Host>) -> Result {
        assert!(self.resuming.is_none(), "the end while paused");
        self.eof = true;
        self.consume(host, cx, cx.data().len());
        host.ledger.eof(self.plan.out.back());
        Ok(()) // what is still to be sent is sent
    }

    fn handle_error(&mut self, host: &mut Host, _: &mut Context<'_, Host>, error: &Error) {
        let Flow { connection, .. } = self.plan.out;
        assert!(!host.gentle, "connection {connection}: {error}");
    }

    fn handle_close(&mut self, host: &mut Host, cx: &mut Context<'_, Host>, why: &Close) {
        host.ledger.ended(self.plan.out, why);
        host.ends
            .push((self.plan.out, self.plan.end, why.to_string()));
        let is_late = matches!(why, Close::TimedOut(Deadline::Connect | Deadline::Idle));
        assert!(!host.gentle || !is_late, "{:?}: {why}", self.plan);
        if let Some(again) = self.plan.tries.checked_sub(1) {
            let clean = matches!(why, Close::Requested | Close::Eof | Close::Aborted);
            if !clean && let Some(connect) = host.connect_again {
                // In a shutdown there is nobody left to connect for.
                let _ = cx.after(Duration::from_millis(100), move |host, cx| {
                    connect(host, cx, again);
                });
            }
        }
    }
}

/// What the end that connects says first.
fn hello(connection: u64) -> [u8; 8] {
    connection.to_be_bytes()
}
