//! The timer wheel: which deadlines are pending, and which come due first.
//!
//! It must never read a clock (time is told to it), call a handler, or know what a timer is for:
//! it keeps values, and hands them back when their deadline has passed.
//!
//! # Algorithm
//!
//! A hierarchical timing wheel: scheme 7 of G. Varghese and T. Lauck, "Hashed and Hierarchical
//! Timing Wheels: Data Structures for the Efficient Implementation of a Timer Facility", SOSP 1987.
//!
//! Time is counted in ticks of one millisecond, and a tick is read as a number of eight digits in
//! base 64. A timer lives on the level of the highest digit in which its tick differs from the
//! wheel's, in the slot that this digit names. Three things follow:
//!
//! - All timers of a level come before all timers of the level above. The first occupied slot is
//!   the lowest set bit of the lowest non-zero bitmap, however many timers are pending.
//! - All timers of one tick are always in the same slot, so appending keeps them in the order in
//!   which they were inserted.
//! - Eight digits hold every tick that 64 bits of nanoseconds can name (584 years), so there is
//!   no deadline "beyond the last level" to treat apart.
//!
//! # Cost
//!
//! Inserting and removing are O(1) and allocate only when the slab grows. A slot above the lowest
//! level is spread over the lower ones ("cascaded") when its first tick is reached and not before:
//! a timer moves at most seven times in its life, and one that is removed earlier never moves. A
//! slot is cascaded as a whole, within one [`Wheel::advance`]: a million timers in one slot took
//! 5 to 16 ms where they were neighbours in memory, and 45 to 220 ms where use had scattered them
//! (the upper figures beside other work on a machine of two cores).

use std::num::NonZeroU32;

use crate::Time;

/// Length of a tick: the resolution of the wheel.
const TICK_NANOS: u64 = 1_000_000;
const DIGIT_BITS: usize = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 8;
const _: () = assert!(
    u64::MAX.div_ceil(TICK_NANOS) >> (DIGIT_BITS * LEVELS) == 0,
    "the levels hold every tick"
);

/// Nodes are numbered: first the heads of the slots' lists, level by level, then the head of the
/// list of due timers, then the timers of the slab.
const DUE: u32 = (LEVELS * SLOTS) as u32;
const HEADS: usize = LEVELS * SLOTS + 1;

/// "No timer" in the owners' lists and in the free list. No timer has the number of a head, and
/// zero lets `OwnerTimers` derive its default.
const NONE: u32 = 0;
/// Stands before the first timer of an owner's list, where a timer without owner has `NONE`.
const OWNER: u32 = 1;

/// Growth of the slab, in timers, while it is small.
const GROWTH_MIN: usize = 64;

/// Names one timer of one reactor, from its start until it fires or is cancelled.
///
/// An id that has outlived its timer is harmless: it names nothing, even after the memory of its
/// timer has been reused, and cancelling it does nothing. To another reactor an id means nothing,
/// or a timer of its own; keep ids with the reactor that gave them. `Option<TimerId>` takes 8 bytes,
/// like `TimerId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    node: u32,
    generation: NonZeroU32,
}

/// The timers that one event source owns: the first of a list that runs through the wheel.
///
/// Must be emptied with [`Wheel::cancel_all`] before it is dropped, or its timers still fire.
#[derive(Debug, Default)]
pub(crate) struct OwnerTimers(u32);

/// Neighbours in a list.
#[derive(Clone, Copy, Debug)]
struct Link {
    prev: u32,
    next: u32,
}

/// All that a cascade touches, apart from the rest of the timer: in a large wheel a cascade costs
/// what its cache misses cost.
#[derive(Clone, Copy, Debug)]
struct Node {
    tick: u64,
    /// The circular list of a slot, or of the due timers; `next` alone in the free list.
    queue: Link,
}

/// The rest of a timer.
#[derive(Debug)]
struct Entry<T> {
    /// The list of its owner, which ends in `NONE` and begins after `OWNER`.
    owned: Link,
    generation: NonZeroU32,
    /// `None` while the entry is free.
    value: Option<T>,
}

/// Pending timers, each with a value of type `T`.
///
/// Deadlines are rounded up to whole milliseconds since the reactor's start. A timer comes due in
/// the first [`advance`](Wheel::advance) whose time has reached its rounded deadline: never early,
/// and less than 1 ms late if the caller advances whenever [`next_deadline`](Wheel::next_deadline)
/// says so. Timers come due in the order of their rounded deadlines, equal ones in the order of
/// their insertion.
///
/// A sweep is an `advance`, then [`next_due`](Wheel::next_due) and [`remove`](Wheel::remove) until
/// nothing is due. `advance` alone makes timers due, so what is inserted during a sweep waits for
/// the next one even if its deadline has passed, and a sweep ends whatever its handlers insert. It
/// can also be left half-way: the rest stays due, before all later timers.
#[derive(Debug)]
pub(crate) struct Wheel<T> {
    /// The tick that the last `advance` has reached.
    current: u64,
    /// A bit for each slot: set exactly while its list is not empty.
    occupied: [u64; LEVELS],
    /// The heads of the lists, then a node for each entry.
    nodes: Vec<Node>,
    entries: Vec<Entry<T>>,
    /// First free entry, or `NONE`.
    free: u32,
    len: usize,
    max_timers: usize,
}

impl<T> Wheel<T> {
    /// An empty wheel at time zero that holds at most `max_timers` (and never more than 2³¹).
    ///
    /// Allocates 8 KiB for the lists; the slab grows with use, by half its size at a time, and
    /// keeps the size of the busiest moment.
    pub(crate) fn new(max_timers: usize) -> Self {
        Wheel {
            current: 0,
            occupied: [0; LEVELS],
            nodes: (0..=DUE).map(empty).collect(),
            entries: Vec::new(),
            free: NONE,
            len: 0,
            max_timers: max_timers.min(1 << 31),
        }
    }

    /// Number of timers that are pending or due.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Starts a timer that comes due at `deadline`, or in the next sweep if that has passed.
    ///
    /// With an `owner`, the same owner must be given when the timer is removed. O(1); allocates
    /// when the slab grows.
    ///
    /// # Errors
    /// Gives `value` back if the wheel holds `max_timers` already.
    pub(crate) fn insert(
        &mut self,
        deadline: Time,
        owner: Option<&mut OwnerTimers>,
        value: T,
    ) -> Result<TimerId, T> {
        if self.len == self.max_timers {
            return Err(value);
        }
        let node = self.allocate();
        let entry = self.entry(node);
        entry.value = Some(value);
        let generation = entry.generation;
        self.schedule(node, tick_of(deadline));
        if let Some(owner) = owner {
            self.own(node, owner);
        }
        self.len += 1;
        Ok(TimerId { node, generation })
    }

    /// Gives a timer, pending or due, another deadline: as if it were inserted now, but it keeps its
    /// id, owner and value, and needs no room. Does nothing if the timer has ended. O(1).
    pub(crate) fn restart(&mut self, id: TimerId, deadline: Time) {
        if self.peek(id).is_some() {
            self.unschedule(id.node);
            self.schedule(id.node, tick_of(deadline));
        }
    }

    /// Ends a timer, pending or due, and gives its value back; `None` if it has ended before.
    /// Cancelling and firing are this same step. O(1).
    ///
    /// # Panics
    /// If the timer has an owner and `owner` is `None`, or is another one while the timer is the
    /// first of its owner's list. Nothing has changed then. (Elsewhere in the list the owner is
    /// not needed, so a wrong one does no harm.)
    pub(crate) fn remove(&mut self, id: TimerId, owner: Option<&mut OwnerTimers>) -> Option<T> {
        self.peek(id)?;
        self.disown(id.node, owner);
        self.unschedule(id.node);
        self.len -= 1;
        self.release(id.node)
    }

    /// Ends all timers of an owner and drops their values. O(number of its timers).
    ///
    /// If dropping a value panics, the timers not yet ended stay the owner's, and a further call
    /// ends them.
    pub(crate) fn cancel_all(&mut self, owner: &mut OwnerTimers) {
        while owner.0 != NONE {
            let node = owner.0;
            let generation = self.entry(node).generation;
            drop(self.remove(TimerId { node, generation }, Some(owner)));
        }
    }

    /// The value of a timer that has not ended. It tells the loop who owns the timer.
    pub(crate) fn peek(&self, id: TimerId) -> Option<&T> {
        let entry = self.entries.get(id.node as usize - HEADS)?;
        if entry.generation != id.generation {
            return None;
        }
        entry.value.as_ref()
    }

    /// Until when the loop may sleep: never later than the rounded deadline of the first timer, or
    /// than the last `advance` if a timer is due or late already.
    ///
    /// It can be earlier, by the start of a slot above the lowest level; after at most seven such
    /// wake-ups the timer itself is next. A removed timer leaves no wake-up behind. `None` if no
    /// timer is left. O(levels), not O(timers).
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        let tick = if self.nodes[DUE as usize].queue.next == DUE {
            self.first_occupied()?.0
        } else {
            self.current
        };
        Some(Time::from_nanos(tick.saturating_mul(TICK_NANOS)))
    }

    /// Begins a sweep: makes due whatever is pending with a deadline at or before `now`.
    ///
    /// A `now` before the last one counts as the last one. O(occupied slots that are passed +
    /// timers that are cascaded), independent of how much time has passed; timers that come due
    /// are moved a slot at a time. Allocates nothing.
    pub(crate) fn advance(&mut self, now: Time) {
        let target = self.current.max(now.as_nanos() / TICK_NANOS);
        while let Some((tick, head)) = self.first_occupied() {
            if tick > target {
                break;
            }
            self.current = tick;
            if level_of(head) == 0 {
                self.make_due(head);
            } else {
                self.cascade(head);
            }
        }
        self.current = target;
    }

    /// The first due timer, which stays due until it is removed. O(1).
    pub(crate) fn next_due(&self) -> Option<(TimerId, &T)> {
        let node = self.nodes[DUE as usize].queue.next;
        let entry = self.entries.get((node as usize).checked_sub(HEADS)?)?;
        let generation = entry.generation;
        Some((TimerId { node, generation }, entry.value.as_ref()?))
    }

    /// The first tick of the first occupied slot, and the head of its list.
    fn first_occupied(&self) -> Option<(u64, u32)> {
        if self.len() == 0 {
            return None; // as in many programs in every tick
        }
        let level = self.occupied.iter().position(|slots| *slots != 0)?;
        let slot = self.occupied[level].trailing_zeros();
        let shift = level * DIGIT_BITS;
        let above = shift + DIGIT_BITS;
        let tick = (self.current >> above << above) | (u64::from(slot) << shift);
        Some((tick, (level * SLOTS) as u32 + slot))
    }

    /// Appends a timer to the slot where `tick` belongs, as seen from the current tick.
    fn schedule(&mut self, node: u32, tick: u64) {
        let current = self.current;
        // What is late belongs to the current tick: slots before it are never visited again.
        let tick = tick.max(current);
        let level = ((tick ^ current) | 1).ilog2() as usize / DIGIT_BITS;
        let slot = (tick >> (level * DIGIT_BITS)) as usize % SLOTS;
        self.occupied[level] |= 1 << slot;

        let head = (level * SLOTS + slot) as u32;
        let last = self.node(head).queue.prev;
        let queue = Link {
            prev: last,
            next: head,
        };
        *self.node(node) = Node { tick, queue };
        self.node(last).queue.next = node;
        self.node(head).queue.prev = node;
    }

    /// Takes a timer out of its slot, or out of the due timers.
    fn unschedule(&mut self, node: u32) {
        let Link { prev, next } = self.node(node).queue;
        self.node(prev).queue.next = next;
        self.node(next).queue.prev = prev;
        // Equal neighbours are the head on both sides: the list is empty now.
        if prev == next && prev != DUE {
            self.vacate(prev);
        }
    }

    /// Marks a slot as empty.
    fn vacate(&mut self, head: u32) {
        *self.node(head) = empty(head);
        self.occupied[level_of(head)] &= !(1 << (head as usize % SLOTS));
    }

    /// Moves the timers of a slot of the lowest level, all of one tick, behind the due ones.
    fn make_due(&mut self, head: u32) {
        let Link {
            prev: last,
            next: first,
        } = self.node(head).queue;
        self.vacate(head);
        let before = self.node(DUE).queue.prev;
        self.node(before).queue.next = first;
        self.node(first).queue.prev = before;
        self.node(last).queue.next = DUE;
        self.node(DUE).queue.prev = last;
    }

    /// Spreads the timers of a slot, whose first tick is the current one, over the levels below.
    fn cascade(&mut self, head: u32) {
        let mut node = self.node(head).queue.next;
        self.vacate(head);
        while node != head {
            let Node { tick, queue } = *self.node(node);
            self.schedule(node, tick);
            node = queue.next;
        }
    }

    /// Puts a timer in front of its owner's list.
    fn own(&mut self, node: u32, owner: &mut OwnerTimers) {
        let next = owner.0;
        self.entry(node).owned = Link { prev: OWNER, next };
        if next != NONE {
            self.entry(next).owned.prev = node;
        }
        owner.0 = node;
    }

    /// Takes a timer out of its owner's list, if it has an owner.
    fn disown(&mut self, node: u32, owner: Option<&mut OwnerTimers>) {
        let Link { prev, next } = self.entry(node).owned;
        if prev == NONE {
            return;
        }
        let Some(owner) = owner else {
            panic!("a timer with an owner is removed without it");
        };
        if prev == OWNER {
            assert_eq!(owner.0, node, "a timer is removed with another owner");
            owner.0 = next;
        } else {
            self.entry(prev).owned.next = next;
        }
        if next != NONE {
            self.entry(next).owned.prev = prev;
        }
    }

    /// A free entry, off every list.
    fn allocate(&mut self) -> u32 {
        if self.free != NONE {
            let node = self.free;
            self.free = self.node(node).queue.next;
            return node;
        }
        let used = self.entries.len();
        if used == self.entries.capacity() {
            // By half, not twice, and not beyond the bound: a slab of a million is tens of MiB.
            let room = self.max_timers.saturating_sub(used).max(1);
            let growth = (used / 2).max(GROWTH_MIN).min(room);
            self.entries.reserve_exact(growth);
            self.nodes.reserve_exact(growth);
        }
        let node = (HEADS + used) as u32;
        self.nodes.push(empty(node));
        self.entries.push(Entry {
            owned: Link {
                prev: NONE,
                next: NONE,
            },
            generation: NonZeroU32::MIN,
            value: None,
        });
        node
    }

    /// Frees an entry that is off every list, and makes its ids stale.
    fn release(&mut self, node: u32) -> Option<T> {
        let free = self.free;
        let entry = self.entry(node);
        let value = entry.value.take();
        entry.owned.prev = NONE;
        // An entry that has used up its generations is left out of the free list for good: a few
        // dozen bytes for each four billion timers, and no id ever names a second timer.
        if let Some(generation) = entry.generation.checked_add(1) {
            entry.generation = generation;
            self.node(node).queue.next = free;
            self.free = node;
        }
        value
    }

    fn entry(&mut self, node: u32) -> &mut Entry<T> {
        &mut self.entries[node as usize - HEADS]
    }

    fn node(&mut self, node: u32) -> &mut Node {
        &mut self.nodes[node as usize]
    }
}

/// The first tick at which a deadline has passed.
fn tick_of(deadline: Time) -> u64 {
    deadline.as_nanos().div_ceil(TICK_NANOS)
}

fn level_of(head: u32) -> usize {
    head as usize / SLOTS
}

/// A list of the head alone, which is its own neighbour.
fn empty(head: u32) -> Node {
    let queue = Link {
        prev: head,
        next: head,
    };
    Node { tick: 0, queue }
}

#[cfg(test)]
mod tests;
