//! What is still owed: a call that has to come, bytes that have to arrive, an end that has to be
//! told. It must never name a debt that somebody else holds up, such as a peer that does not read.

use super::{Far, Id, Kind, Model, Phase, Source, State, Why};
use crate::streams::Match;

/// What is to be seen of a peer's end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sight<'a> {
    /// It has been connected to.
    pub there: bool,
    pub received: &'a [u8],
    /// Bytes that the network has not taken from it.
    pub unsent: usize,
    /// It has seen the end of the stream.
    pub finished: bool,
    /// It has seen an error instead.
    pub reset: bool,
}

impl Model {
    /// What a reactor shows after every turn.
    pub fn observed(&mut self, outboxes: &[usize], buffered: usize, sources: usize) {
        let mut least = 0;
        let mut most = 0;
        for (id, outbox) in outboxes.iter().enumerate() {
            let source = &self.sources[id];
            let (high, low) = (source.highest, source.bounds.low);
            least += outbox;
            most += outbox + source.left.max(source.kept);
            self.sources[id].outbox = *outbox;
            self.sources[id].lifted |= *outbox > low;
            self.sources[id].kept = self.sources[id].left;
            self.demand(
                *outbox <= high,
                format_args!("source {id}: {outbox} bytes in an outbox of {high}"),
            );
        }
        let max = self.limits.max_buffered;
        self.demand(
            least <= buffered && buffered <= most.min(max),
            format_args!("{buffered} bytes buffered, expected {least} to {most}, at most {max}"),
        );
        let living = self.sources.iter().filter(|one| one.phase < Phase::Ended);
        let living = living.count();
        self.demand(
            living == sources,
            format_args!("{sources} sources, expected {living}"),
        );
        self.demand(
            sources <= self.limits.max_sources,
            format_args!("{sources} sources are too many"),
        );
    }

    /// Peers that have received what was not sent to them, or not in this order.
    pub fn wrong_deliveries(&self, sights: &[Sight<'_>]) -> Vec<String> {
        let sources = self.sources.iter().enumerate();
        let wrong = sources.filter_map(|(id, source)| {
            let sight = sights[source.far?];
            self.delivered(id, sight.received).err()
        });
        wrong.collect()
    }

    /// Every source has been told its end.
    pub fn check_ended(&mut self) {
        for id in 0..self.sources.len() {
            let phase = self.sources[id].phase;
            self.demand(
                phase == Phase::Ended,
                format_args!("source {id} is {phase:?} when the reactor is gone"),
            );
        }
    }

    /// What the peers of ended sources still have to see.
    pub fn debts_to_peers(&self, sights: &[Sight<'_>]) -> Vec<String> {
        let sources = self.sources.iter().enumerate();
        let debts = sources.filter_map(|(id, source)| {
            let far = source.far?;
            let debt = self.owed_to_peer(id, &self.fars[far], sights[far])?;
            Some(format!("source {id}: {debt}"))
        });
        debts.collect()
    }

    /// All that is owed now. `None` of it may stay when everything has come to rest.
    pub fn debts(&self, sights: &[Sight<'_>]) -> Vec<String> {
        let mut debts = Vec::new();
        if !self.posts.is_empty() {
            debts.push(format!("posts {:?} have not run", self.posts));
        }
        if self.is_job_pending() {
            debts.push("a job is not done".to_owned());
        }
        for (number, timer) in self.timers.iter().enumerate() {
            let living = |id: Id| self.sources[id].phase <= Phase::Open;
            let pending = timer.state == State::Pending && timer.every.is_none();
            if pending && timer.owner.is_none_or(living) {
                debts.push(format!("timer {number} has not fired"));
            }
        }
        for (id, source) in self.sources.iter().enumerate() {
            let far = source.far.map(|far| (&self.fars[far], sights[far]));
            debts.extend(
                match (source.phase, far) {
                    (Phase::Connecting, None) => Some("no outcome of connecting".to_owned()),
                    (Phase::Connecting, Some(_)) => Some("it is not connected".to_owned()),
                    (Phase::Open, Some((far, sight))) => self.owed_to_open(id, far, sight),
                    (Phase::Open, None) => self.owed_to_listener(source),
                    (Phase::Ending, far) => owed_to_ending(source, far),
                    (Phase::Ended, Some((far, sight))) => self.owed_to_peer(id, far, sight),
                    (Phase::Ended, None) => None,
                }
                .map(|debt| format!("source {id}: {debt}")),
            );
        }
        debts
    }

    /// Whether the loop has a reason to wake up soon by itself.
    pub fn has_timer(&self) -> bool {
        let living = |id: Id| self.sources[id].phase <= Phase::Open;
        let mut timers = self.timers.iter();
        let ending = self.sources.iter().any(|one| one.phase == Phase::Ending);
        timers.any(|timer| timer.state == State::Pending && timer.owner.is_none_or(living))
            || ending && self.limits.close_timeout_millis < 10_000
    }

    fn owed_to_listener(&self, source: &Source) -> Option<String> {
        let living = self.sources.iter().filter(|one| one.phase < Phase::Ended);
        let room = living.count() < self.limits.max_sources;
        let waits = |far: &Far| far.dials && far.source.is_none() && !far.dropped && !far.gone;
        let owed =
            source.kind == Kind::Listener && room && !source.paused && self.fars.iter().any(waits);
        owed.then(|| "a connection is not accepted".to_owned())
    }

    fn owed_to_open(&self, id: Id, far: &Far, sight: Sight<'_>) -> Option<String> {
        let source = &self.sources[id];
        if !sight.there {
            return Some("its peer has not accepted it".to_owned());
        }
        let backpressure = source.bounds.backpressure.unwrap_or(!source.dialled);
        let above = source.outbox > source.bounds.low;
        let reads = !(source.paused || above && backpressure);
        let seen = far.taken + source.left;
        let has_all = seen == far.given || source.shut_read;
        if far.gone && (reads && !source.eof_told || source.outbox > 0) {
            return Some("it has not learned that its peer is gone".to_owned());
        }
        if far.gone {
            return None;
        }
        if reads && !has_all && source.left < source.bounds.inbox {
            let (given, unsent) = (far.given, sight.unsent);
            return Some(format!(
                "it has seen {seen} of {given} bytes, of which {unsent} were not sent"
            ));
        }
        if reads && source.offer_due && source.left > 0 {
            return Some(format!("{} bytes are not offered again", source.left));
        }
        let ended = source.shut_read || far.finished && has_all;
        // Whoever may wait for room to answer what it left unread is told after that.
        let waits = source.left > 0 && (source.refused || source.lifted || source.refused_for_all);
        if reads && ended && !waits && !source.eof_told {
            let (seen, given, outbox) = (seen, far.given, source.outbox);
            return Some(format!(
                "the end is not told, {seen} of {given} bytes seen, {outbox} in its outbox"
            ));
        }
        if source.refused && !above {
            return Some("handle_write has not come".to_owned());
        }
        if source.refused_for_all && self.sources.iter().all(|one| one.outbox + one.left == 0) {
            return Some("handle_write has not come, though all buffers are empty".to_owned());
        }
        if !far.reads {
            return None;
        }
        if source.outbox > 0 {
            return Some(format!("{} bytes in its outbox", source.outbox));
        }
        if source.shut_write && !sight.finished {
            return Some("its peer has not seen the end".to_owned());
        }
        if source.shut_write && source.eof_told {
            return Some("both sides have ended".to_owned());
        }
        let sent: usize = source.sent.iter().map(|content| content.len).sum();
        let received = sight.received.len();
        let whole = source.drops || received == sent;
        (!whole).then(|| format!("its peer has {received} of {sent} bytes"))
    }

    /// What the peer of an ended source must have seen.
    fn owed_to_peer(&self, id: Id, far: &Far, sight: Sight<'_>) -> Option<String> {
        if far.gone || !far.reads || !sight.there {
            return None;
        }
        if !sight.finished && !sight.reset {
            return Some("its peer waits for an end".to_owned());
        }
        let source = &self.sources[id];
        let why = source.causes.last();
        let orderly = why.is_some_and(|why| why.is_orderly());
        // A peer that was not reading may have been given up after the close timeout; what is sent
        // to a side that was shut down is answered with a reset; and so is it after an abort.
        let cut = source.causes.iter().any(|why| why.is_loss());
        if !orderly || far.stalled || source.shut_read || cut {
            return None;
        }
        if sight.reset {
            return Some(format!("{why:?}, but its peer was reset"));
        }
        let whole = matches!(self.delivered(id, sight.received), Ok(Match::Whole));
        (!whole).then(|| {
            let len = sight.received.len();
            format!("{why:?}, but its peer has only {len} bytes")
        })
    }
}

fn owed_to_ending(source: &Source, far: Option<(&Far, Sight<'_>)>) -> Option<String> {
    let immediate = source.causes.iter().any(|why| why.is_immediate());
    let held = far.is_some_and(|(far, _)| !far.reads && !far.gone);
    let shutdown = source.causes.first() == Some(&Why::Shutdown);
    (immediate || !held || shutdown && source.kind == Kind::Listener)
        .then(|| "handle_close has not come".to_owned())
}
