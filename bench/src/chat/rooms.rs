//! One who speaks in rooms with a window of messages on the way, and those who hear it.
//!
//! Must never parse more than line ends of what the listeners receive: it would be what is measured.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::process;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;

use crate::chat::crowd::Crowd;
use crate::chat::dialect::{Dialect, Heard, text_of};
use crate::chat::member::{Member, of_client, quoted};
use crate::chat::protocol::{Offer, Slice};
use crate::load::histogram;
use crate::process::cpu_nanos_now;

/// A server that delivers nothing for so long while messages are on the way is given up.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// A message that was sent.
struct Message {
    sent: Instant,
    /// Members that have not heard it.
    unheard: u32,
    /// Whether its receipt is still to come.
    owes_receipt: bool,
}

impl Message {
    fn is_done(&self) -> bool {
        self.unheard == 0 && !self.owes_receipt
    }
}

/// Latencies in nanoseconds.
pub struct Latencies {
    /// From writing a message to having read it at a member.
    pub delivery: Histogram<u64>,
    /// From writing it to having read its receipt.
    pub receipt: Histogram<u64>,
}

impl Latencies {
    pub fn new() -> Result<Self> {
        Ok(Self {
            delivery: histogram()?,
            receipt: histogram()?,
        })
    }

    fn reset(&mut self) {
        self.delivery.reset();
        self.receipt.reset();
    }
}

/// What is on the way. Messages are numbered from 0; number n is for room n modulo the rooms.
struct Traffic {
    /// Number `first` and those after it that are not done.
    messages: VecDeque<Message>,
    first: u64,
    /// Not done, of all in `messages`.
    open: usize,
    /// The next message whose receipt is to come.
    unreceipted: u64,
    deliveries: u64,
    latencies: Latencies,
}

impl Traffic {
    fn next(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    fn message(&mut self, number: u64) -> Result<&mut Message> {
        let index = number.checked_sub(self.first);
        index
            .and_then(|index| self.messages.get_mut(usize::try_from(index).ok()?))
            .with_context(|| format!("message {number} came before it was sent, or twice"))
    }

    fn hear(&mut self, number: u64, now: Instant) -> Result<()> {
        let message = self.message(number)?;
        let nanos = nanos_of(now - message.sent);
        message.unheard -= 1;
        let done = message.is_done();
        self.deliveries += 1;
        self.latencies.delivery.saturating_record(nanos);
        self.finish(done);
        Ok(())
    }

    fn receipt(&mut self, now: Instant) -> Result<()> {
        let number = self.unreceipted;
        let message = self.message(number)?;
        ensure!(message.owes_receipt, "a receipt that nobody asked for");
        let nanos = nanos_of(now - message.sent);
        message.owes_receipt = false;
        let done = message.is_done();
        self.unreceipted += 1;
        self.latencies.receipt.saturating_record(nanos);
        self.finish(done);
        Ok(())
    }

    fn finish(&mut self, done: bool) {
        self.open -= usize::from(done);
        while self.messages.front().is_some_and(Message::is_done) {
            self.messages.pop_front();
            self.first += 1;
        }
    }
}

/// The rooms of one server.
pub struct Rooms {
    pub crowd: Crowd,
    traffic: Traffic,
    /// Of all slices that counted: as fast as the window allows, and at a fixed rate.
    pub fast: Latencies,
    pub paced: Latencies,
}

impl Rooms {
    pub fn new(crowd: Crowd) -> Result<Self> {
        Ok(Self {
            crowd,
            traffic: Traffic {
                messages: VecDeque::new(),
                first: 0,
                open: 0,
                unreceipted: 0,
                deliveries: 0,
                latencies: Latencies::new()?,
            },
            fast: Latencies::new()?,
            paced: Latencies::new()?,
        })
    }

    /// Sends messages as offered until the time is over and all have heard all.
    pub fn run(&mut self, offer: Offer) -> Result<Slice> {
        let first = self.traffic.next();
        self.traffic.deliveries = 0;
        self.traffic.latencies.reset();
        let load_before = cpu_nanos_now(process::id())?;
        let start = Instant::now();
        let end = start + Duration::from_millis(offer.millis);
        let mut heard_last = start;
        loop {
            let now = Instant::now();
            if now < end {
                self.speak(offer, first, start, now)?;
            } else if self.traffic.open == 0 {
                break;
            }
            let before = self.traffic.deliveries;
            self.listen()?;
            if self.traffic.deliveries > before || self.traffic.open == 0 {
                heard_last = Instant::now();
            }
            ensure!(
                heard_last.elapsed() < SILENCE_LIMIT,
                "no delivery for {SILENCE_LIMIT:?} with {} messages on the way",
                self.traffic.open
            );
        }
        self.summary(offer, first, start.elapsed(), load_before)
    }

    fn summary(
        &mut self,
        offer: Offer,
        first: u64,
        elapsed: Duration,
        load_before: u64,
    ) -> Result<Slice> {
        let of_slice = &self.traffic.latencies;
        if offer.counts {
            let all = match offer.per_second {
                Some(_) => &mut self.paced,
                None => &mut self.fast,
            };
            all.delivery.add(&of_slice.delivery)?;
            all.receipt.add(&of_slice.receipt)?;
        }
        Ok(Slice {
            messages: self.traffic.next() - first,
            deliveries: self.traffic.deliveries,
            elapsed_nanos: nanos_of(elapsed),
            load_nanos: cpu_nanos_now(process::id())?.saturating_sub(load_before),
            delivery_p50: of_slice.delivery.value_at_quantile(0.5),
            delivery_p99: of_slice.delivery.value_at_quantile(0.99),
        })
    }

    /// Sends as many messages as are due and have room in the window, in one write.
    fn speak(&mut self, offer: Offer, first: u64, start: Instant, now: Instant) -> Result<()> {
        let Crowd {
            members,
            dialect,
            rooms,
            ..
        } = &mut self.crowd;
        let traffic = &mut self.traffic;
        let due = offer.per_second.map_or(u64::MAX, |rate| {
            1 + nanos_of(now - start) * u64::from(rate) / 1_000_000_000
        });
        let listeners = (members.len() - 1) / *rooms;
        let owes_receipt = dialect.has_receipts() || offer.asks_receipts;
        let mut text = String::new();
        while traffic.open < offer.window && traffic.next() - first < due {
            let number = traffic.next();
            let room = (number % *rooms as u64) as usize;
            dialect.speak(&mut text, room, &text_of(number), offer.asks_receipts);
            if !owes_receipt {
                traffic.unreceipted = number + 1;
            }
            traffic.open += 1;
            traffic.messages.push_back(Message {
                sent: now,
                unheard: u32::try_from(listeners)?,
                owes_receipt,
            });
        }
        if text.is_empty() {
            return Ok(());
        }
        let speaker = members.last_mut().context("there is nobody to speak")?;
        speaker.say(&text)
    }

    /// Waits a moment, and counts what has come.
    fn listen(&mut self) -> Result<()> {
        /// The clock's grain at a fixed rate.
        const MOMENT: Duration = Duration::from_millis(1);
        let Crowd {
            poll,
            events,
            members,
            buffer,
            dialect,
            rooms,
            ..
        } = &mut self.crowd;
        match poll.poll(events, Some(MOMENT)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in events.iter() {
            let index = event.token().0;
            let member = &mut members[index];
            if event.is_writable() {
                member.flush()?;
            }
            // A short read has emptied the socket; the next byte is a new edge.
            let mut more = event.is_readable();
            while more && let Some(n) = member.read(buffer)? {
                more = n == buffer.len();
                let (bytes, now) = (&buffer[..n], Instant::now());
                match member.speaks {
                    true => hear_receipts(member, *dialect, bytes, now, &mut self.traffic),
                    false => count(member, *dialect, bytes, *rooms, now, &mut self.traffic),
                }
                .map_err(|error| of_client(error, index))?;
            }
        }
        Ok(())
    }
}

/// What a listener has received.
fn count(
    member: &mut Member,
    dialect: Dialect,
    bytes: &[u8],
    rooms: usize,
    now: Instant,
    traffic: &mut Traffic,
) -> Result<()> {
    let (before, after) = member.count(dialect, bytes, rooms)?;
    for message in before..after {
        traffic.hear(message * rooms as u64 + member.room as u64, now)?;
    }
    Ok(())
}

/// What the one who speaks has received: receipts, or that the server will not.
fn hear_receipts(
    member: &mut Member,
    dialect: Dialect,
    bytes: &[u8],
    now: Instant,
    traffic: &mut Traffic,
) -> Result<()> {
    member.lines_of(bytes, |_, line| match dialect.hear(line) {
        heard if heard == dialect.receipt() => traffic.receipt(now),
        Heard::Refusal => bail!("the server refused: {}", quoted(line)),
        _ => Ok(()),
    })
}

/// Saturates after 584 years.
pub fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(messages: usize, owes_receipt: bool) -> Traffic {
        let message = || Message {
            sent: Instant::now(),
            unheard: 2,
            owes_receipt,
        };
        Traffic {
            messages: std::iter::repeat_with(message).take(messages).collect(),
            first: 0,
            open: messages,
            unreceipted: 0,
            deliveries: 0,
            latencies: Latencies::new().unwrap(),
        }
    }

    #[test]
    fn a_message_has_a_place_in_the_window_until_all_have_heard_it_and_its_receipt_is_here() {
        let now = Instant::now();
        let mut traffic = traffic(2, true);
        traffic.hear(0, now).unwrap();
        traffic.receipt(now).unwrap();
        assert_eq!(traffic.open, 2);
        traffic.hear(0, now).unwrap();
        assert_eq!((traffic.open, traffic.first), (1, 1));
        traffic.hear(1, now).unwrap();
        traffic.hear(1, now).unwrap();
        assert_eq!(traffic.open, 1, "its receipt is to come");
        traffic.receipt(now).unwrap();
        assert_eq!((traffic.open, traffic.next()), (0, 2));
        assert_eq!(traffic.deliveries, 4);
    }

    #[test]
    fn what_was_not_sent_is_not_counted() {
        let now = Instant::now();
        let mut traffic = traffic(1, false);
        traffic.hear(1, now).unwrap_err();
        traffic.receipt(now).unwrap_err();
        traffic.hear(0, now).unwrap();
        traffic.hear(0, now).unwrap();
        traffic.hear(0, now).unwrap_err();
    }
}
