//! Names that are being looked up, and for whom; and what was found, for whoever asks soon after.
//! It must never keep an answer for longer than it was told to: the system's resolver, which has
//! the rest, does not say for how long an answer holds.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::core::{Core, Request};
use crate::handler::Close;
use crate::net::{Endpoint, copy_of, resolve};
use crate::offload::{Done, JobId, Value};
use crate::timeouts::Due;
use crate::{Error, Result, Time, Token};

/// Look-ups that the driver has under way, each in a thread that blocks.
pub(crate) const AT_ONCE: usize = 2;

/// Answers kept; beyond that the oldest goes.
const MAX_ANSWERS: usize = 1024;

type Addresses = io::Result<Vec<SocketAddr>>;

/// Who waits for a name.
struct Waiter {
    token: Token,
    port: u16,
    asked: Asked,
}

/// What the addresses are for.
#[derive(Clone, Copy)]
pub(crate) enum Asked {
    /// The source connects to them, or listens on them.
    Attempt,
    /// The source asked for them under this name.
    Job(JobId),
}

#[derive(Default)]
struct Lookup {
    /// By their numbers, in the order in which they asked.
    waiters: BTreeMap<u64, Waiter>,
    has_begun: bool,
}

struct Answer {
    until: Time,
    addresses: Addresses,
}

pub(crate) struct Names {
    /// Equal look-ups are one.
    lookups: BTreeMap<String, Lookup>,
    /// Those that have not begun.
    queue: VecDeque<String>,
    under_way: usize,
    /// What each source waits for, by the waiter's number.
    waits: BTreeMap<(Token, u64), String>,
    numbers: u64,
    /// How many of those that wait do so for a job.
    jobs: usize,
    answers: BTreeMap<String, Answer>,
    /// The names of all answers, the oldest first.
    answered: VecDeque<String>,
    keep: Duration,
    limit: usize,
}

impl Names {
    /// At most `limit` look-ups, and as many that a program asked for itself; each answer is kept
    /// for `keep`.
    pub(crate) fn new(limit: usize, keep: Duration) -> Names {
        Names {
            lookups: BTreeMap::new(),
            queue: VecDeque::new(),
            under_way: 0,
            waits: BTreeMap::new(),
            numbers: 0,
            jobs: 0,
            answers: BTreeMap::new(),
            answered: VecDeque::new(),
            keep,
            limit,
        }
    }

    /// What is known of a name, if it was looked up a short while ago.
    fn answer(&self, host: &str, now: Time) -> Option<Addresses> {
        let answer = self.answers.get(host).filter(|answer| now < answer.until)?;
        Some(copy(&answer.addresses))
    }

    fn keep(&mut self, host: String, addresses: &Addresses, now: Time) {
        if self.keep.is_zero() {
            return;
        }
        while let Some(oldest) = self.answered.front()
            && (self.answered.len() >= MAX_ANSWERS || self.answer(oldest, now).is_none())
        {
            self.answers.remove(oldest);
            self.answered.pop_front();
        }
        let answer = Answer {
            until: now + self.keep,
            addresses: copy(addresses),
        };
        if self.answers.insert(host.clone(), answer).is_none() {
            self.answered.push_back(host);
        }
    }

    fn wait(&mut self, host: String, waiter: Waiter) -> Result {
        let limit = self.limit;
        let is_job = matches!(waiter.asked, Asked::Job(_));
        let is_full = self.lookups.len() >= limit && !self.lookups.contains_key(&host);
        if is_full || is_job && self.jobs >= limit {
            return Err(Error::TooManyJobs { limit });
        }
        self.jobs += usize::from(is_job);
        self.numbers += 1;
        self.waits
            .insert((waiter.token, self.numbers), host.clone());
        let lookup = self.lookups.entry(host.clone()).or_default();
        let is_new = lookup.waiters.is_empty() && !lookup.has_begun;
        lookup.waiters.insert(self.numbers, waiter);
        if is_new {
            self.queue.push_back(host);
        }
        Ok(())
    }

    /// The next look-up to begin, and who asked first.
    fn begin(&mut self) -> Option<(Token, String)> {
        if self.under_way >= AT_ONCE {
            return None;
        }
        let host = self.queue.pop_front()?;
        let lookup = self.lookups.get_mut(&host)?;
        lookup.has_begun = true;
        self.under_way += 1;
        let (_, first) = lookup.waiters.first_key_value()?;
        Some((first.token, host))
    }

    /// A look-up has ended: who waited for it.
    fn end(&mut self, host: &str) -> Vec<Waiter> {
        let Some(lookup) = self.lookups.remove(host) else {
            return Vec::new();
        };
        self.under_way -= 1;
        for (number, waiter) in &lookup.waiters {
            self.waits.remove(&(waiter.token, *number));
            self.jobs -= usize::from(matches!(waiter.asked, Asked::Job(_)));
        }
        lookup.waiters.into_values().collect()
    }

    /// A source has ended. What nobody else waits for and has not begun never begins.
    pub(crate) fn forget(&mut self, token: Token) {
        while let Some((&(of, number), _)) = self.waits.range((token, 0)..).next()
            && of == token
        {
            let Some(host) = self.waits.remove(&(token, number)) else {
                return;
            };
            let Some(lookup) = self.lookups.get_mut(&host) else {
                continue;
            };
            if let Some(waiter) = lookup.waiters.remove(&number) {
                self.jobs -= usize::from(matches!(waiter.asked, Asked::Job(_)));
            }
            if lookup.waiters.is_empty() && !lookup.has_begun {
                cov_mark::hit!(lookup_cancelled);
                self.lookups.remove(&host);
                self.queue.retain(|queued| *queued != host);
            }
        }
    }
}

fn copy(addresses: &Addresses) -> Addresses {
    match addresses {
        Ok(addresses) => Ok(addresses.clone()),
        Err(error) => Err(copy_of(error)),
    }
}

impl<S: 'static> Core<S> {
    /// The addresses of a name, if they are known; else they are looked up, and come later.
    ///
    /// # Errors
    /// Too many are being looked up.
    pub(crate) fn look_up(
        &mut self,
        token: Token,
        endpoint: Endpoint,
        asked: Asked,
    ) -> Result<Option<Addresses>> {
        let (host, port) = match endpoint {
            Endpoint::Ip(address) => return Ok(Some(Ok(vec![address]))),
            Endpoint::Name { host, port } => (host, port),
            Endpoint::Unix(_) => return Ok(Some(Err(resolve::no_other_address()))),
        };
        let with_port = |addresses: Vec<_>| resolve::with_port(&addresses, port);
        if let Some(known) = resolve::known(&host) {
            return Ok(Some(Ok(with_port(known.into()))));
        }
        if let Some(answer) = self.names.answer(&host, self.now) {
            cov_mark::hit!(answer_known);
            return Ok(Some(answer.map(with_port)));
        }
        let waiter = Waiter { token, port, asked };
        self.names.wait(host, waiter)?;
        self.begin_lookups();
        Ok(None)
    }

    fn begin_lookups(&mut self) {
        while let Some((token, host)) = self.names.begin() {
            self.requests.push(Request::Resolve(token, host));
        }
    }

    /// The system has answered, or cannot be asked.
    pub(crate) fn resolved(&mut self, host: String, addresses: &Addresses) {
        for waiter in self.names.end(&host) {
            let addresses = copy(addresses);
            let addresses = addresses.map(|all| resolve::with_port(&all, waiter.port));
            match waiter.asked {
                Asked::Attempt => self.attempt_resolved(waiter.token, addresses),
                Asked::Job(job) => {
                    if let Err(error) = self.answer_later(waiter.token, job, addresses) {
                        self.finish(waiter.token, Close::Error(error));
                    }
                }
            }
        }
        self.names.keep(host, addresses, self.now);
        self.begin_lookups();
    }

    /// Has the addresses told to the source that asked for them, by a timer that is due.
    ///
    /// # Errors
    /// There are too many timers.
    pub(crate) fn answer_later(
        &mut self,
        token: Token,
        job: JobId,
        addresses: Addresses,
    ) -> Result {
        let value = match addresses {
            Ok(addresses) => Ok(Box::new(addresses) as Value),
            Err(error) => Err(Error::Io(error)),
        };
        let done = Box::new(Done { job, value });
        self.start_timer(self.now, Due::Done(token, done)).map(drop)
    }
}

#[cfg(test)]
mod tests;
