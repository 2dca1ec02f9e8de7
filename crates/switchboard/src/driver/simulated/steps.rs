//! What one look at a source finds: the outcome of an attempt, bytes, a connection, a signal.
//! It must never look at a source twice before the others had their turn, unless what follows
//! belongs to what was found.

use rustix::io::Errno;

use super::{Entry, Simulated, Step, slot_of};
use crate::driver::Event;
use crate::offload::Outcome;
use crate::sim::EndId;
use crate::{Stream, Token};

impl Simulated {
    /// Looks at one source after the other until something is found; at results of jobs first.
    pub(super) fn step(&mut self) -> Option<(Token, Step)> {
        if self.results_left > 0 {
            let mut world = self.world.borrow_mut();
            if let Some((token, outcome)) = world.machine_mut(self.machine).results.pop_front() {
                self.results_left -= 1;
                drop(world);
                let event = match outcome {
                    Outcome::Done(done) => self.job_or_file(done),
                    Outcome::Resolved(host, addresses) => Event::Resolved(host, addresses),
                };
                return Some((token, Step::Event(event)));
            }
        }
        while self.bytes_left > 0
            && let Some(token) = self.queue.pop_front()
        {
            let Some(slot) = slot_of(&mut self.slots, token) else {
                continue;
            };
            slot.queued = false;
            let step = match &slot.entry {
                Entry::Stream(end) => {
                    let end = *end;
                    self.stream_step(token, end)
                }
                Entry::Connecting(_) => self.attempts_step(token),
                Entry::Listener(_) => self.accept_step(token),
                #[cfg(unix)]
                Entry::Signals => self.signal_step(token),
                Entry::Datagrams(socket) => {
                    let socket = *socket;
                    self.datagram_step(token, socket)
                }
                Entry::Free => None,
            };
            if let Some(step) = step {
                return Some((token, step));
            }
        }
        None
    }

    /// The first attempt that has succeeded is the source's connection; the others end.
    fn attempts_step(&mut self, token: Token) -> Option<Step> {
        let slot = slot_of(&mut self.slots, token)?;
        let Entry::Connecting(ends) = &mut slot.entry else {
            return None;
        };
        let mut world = self.world.borrow_mut();
        let mut attempts = ends.iter().enumerate();
        let (index, outcome) =
            attempts.find_map(|(index, end)| Some((index, world.connected(*end)?)))?;
        let end = ends.remove(index);
        let event = match outcome {
            Ok(()) => {
                ends.drain(..).for_each(|other| world.close(other));
                slot.entry = Entry::Stream(end);
                Event::Connected
            }
            Err(error) => {
                world.close(end);
                Event::Failed(error.into())
            }
        };
        drop(world);
        self.again(token, true);
        Some(Step::Event(event))
    }

    fn stream_step(&mut self, token: Token, end: EndId) -> Option<Step> {
        let slot = slot_of(&mut self.slots, token)?;
        let mut world = self.world.borrow_mut();
        if slot.blocked
            && world
                .network
                .ends
                .get(&end)
                .is_some_and(|end| end.is_writable())
        {
            slot.blocked = false;
            drop(world);
            self.again(token, true);
            return Some(Step::Event(Event::Sent));
        }
        let limit = self.buffer.len().min(slot.room).min(self.bytes_left);
        if slot.paused || limit == 0 {
            return None;
        }
        match world.recv(end, &mut self.buffer[..limit]) {
            Ok(0) if std::mem::replace(&mut slot.ended, true) => None,
            Ok(0) => Some(Step::Event(Event::EndOfFile)),
            Ok(n) => {
                self.bytes_left -= n;
                let more = world
                    .network
                    .ends
                    .get(&end)
                    .is_some_and(|end| end.is_readable());
                drop(world);
                if more {
                    self.again(token, false);
                }
                Some(Step::Bytes(n))
            }
            Err(Errno::AGAIN) => None,
            Err(error) => Some(Step::Event(Event::Failed(error.into()))),
        }
    }

    fn accept_step(&mut self, token: Token) -> Option<Step> {
        let slot = slot_of(&mut self.slots, token)?;
        let Entry::Listener(listeners) = &slot.entry else {
            return None;
        };
        if slot.paused {
            return None;
        }
        let mut world = self.world.borrow_mut();
        for listener in listeners {
            loop {
                if self.accepts_left == 0 {
                    drop(world);
                    self.again(token, false);
                    return None;
                }
                self.accepts_left -= 1;
                match world.accept(*listener) {
                    Ok(end) => {
                        let Some(stream) = world.hand_out(end) else {
                            continue;
                        };
                        drop(world);
                        self.again(token, true);
                        let stream = Stream::simulated(stream);
                        return Some(Step::Event(Event::Accepted(stream)));
                    }
                    Err(Errno::MFILE) => {
                        slot.paused = true;
                        let error = Errno::MFILE.into();
                        return Some(Step::Event(Event::AcceptFailed(error)));
                    }
                    Err(Errno::AGAIN) => break,
                    Err(_) => {} // ended before it was accepted
                }
            }
        }
        None
    }

    #[cfg(unix)]
    fn signal_step(&mut self, token: Token) -> Option<Step> {
        let mut world = self.world.borrow_mut();
        let signals = &mut world.machine_mut(self.machine).signals;
        let signal = signals.get_mut(&token)?.pending.pop()?;
        drop(world);
        self.again(token, true);
        Some(Step::Event(Event::Signal(signal)))
    }
}
