//! Tests of the wheel: its promises one by one, then all of them against a sorted map.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use super::*;

const MILLI: u64 = TICK_NANOS;
const DAY: u64 = 24 * 3600 * 1000 * MILLI;
const YEAR: u64 = 365 * DAY;
/// The last time at which a timer can fire.
const END: u64 = u64::MAX / MILLI * MILLI;

fn at(nanos: u64) -> Time {
    Time::from_nanos(nanos)
}

fn wheel() -> Wheel<u32> {
    Wheel::new(1000)
}

/// One sweep without handlers.
fn sweep(wheel: &mut Wheel<u32>, now: u64) -> Vec<u32> {
    wheel.advance(at(now));
    let mut fired = Vec::new();
    while let Some((id, _)) = wheel.next_due() {
        fired.extend(wheel.remove(id, None));
    }
    fired
}

/// What must hold between any two calls.
fn check_structure<T>(wheel: &Wheel<T>) {
    for (head, node) in wheel.nodes.iter().enumerate().take(DUE as usize) {
        let bit = wheel.occupied[head / SLOTS] >> (head % SLOTS) & 1 == 1;
        assert_eq!(bit, node.queue.next as usize != head, "bit of slot {head}");
    }
    let held = wheel.entries.iter().filter(|e| e.value.is_some()).count();
    assert_eq!(held, wheel.len());
}

#[test]
fn never_early_and_less_than_a_tick_late() {
    let mut wheel = wheel();
    wheel.insert(at(5 * MILLI + 1), None, 1).unwrap();
    wheel.insert(at(6 * MILLI), None, 2).unwrap();
    wheel.insert(at(6 * MILLI + 1), None, 3).unwrap();
    assert_eq!(wheel.next_deadline(), Some(at(6 * MILLI)));
    assert_eq!(sweep(&mut wheel, 6 * MILLI - 1), []);
    assert_eq!(sweep(&mut wheel, 6 * MILLI), [1, 2]);
    assert_eq!(sweep(&mut wheel, 7 * MILLI), [3]);
}

#[test]
fn equal_deadlines_fire_in_the_order_of_insertion_across_cascades() {
    let mut wheel = wheel();
    let deadline = 3 * DAY;
    let mut now = 0;
    for value in 0..6 {
        wheel.insert(at(deadline), None, value).unwrap();
        now += (deadline - now) / 2;
        assert_eq!(sweep(&mut wheel, now), []);
    }
    assert_eq!(sweep(&mut wheel, deadline), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_wheel_without_timers_lets_the_loop_sleep() {
    let mut wheel = wheel();
    assert_eq!(wheel.next_deadline(), None);
    let deadlines = [0, 1, 70 * MILLI, 70 * MILLI, DAY, YEAR, u64::MAX];
    let ids = deadlines.map(|deadline| wheel.insert(at(deadline), None, 0).unwrap());
    for (value, id) in ids.into_iter().enumerate() {
        assert!(wheel.next_deadline().is_some(), "{value} cancelled");
        assert_eq!(wheel.remove(id, None), Some(0));
    }
    assert_eq!(wheel.next_deadline(), None);
    assert_eq!(sweep(&mut wheel, 2 * YEAR), []);
}

#[test]
fn a_cancelled_timer_does_not_wake() {
    let mut wheel = wheel();
    wheel.insert(at(50 * MILLI), None, 1).unwrap();
    let first = wheel.insert(at(3 * MILLI), None, 2).unwrap();
    wheel.remove(first, None);
    assert_eq!(wheel.next_deadline(), Some(at(50 * MILLI)));

    // Cancelled while it is due.
    let due = wheel.insert(at(0), None, 3).unwrap();
    wheel.advance(at(MILLI));
    assert_eq!(wheel.next_deadline(), Some(at(MILLI)));
    wheel.remove(due, None);
    assert!(wheel.next_due().is_none());
    assert_eq!(wheel.next_deadline(), Some(at(50 * MILLI)));
}

#[test]
fn a_callback_may_cancel_itself_and_others() {
    let mut wheel = wheel();
    let own = wheel.insert(at(MILLI), None, 1).unwrap();
    let other = wheel.insert(at(MILLI), None, 2).unwrap();
    wheel.advance(at(MILLI));
    let (id, value) = wheel.next_due().unwrap();
    assert_eq!((id, *value), (own, 1));
    wheel.remove(id, None);
    assert_eq!(wheel.remove(own, None), None, "it has fired");
    assert_eq!(wheel.remove(other, None), Some(2));
    assert!(wheel.next_due().is_none());
    assert_eq!(wheel.len(), 0);
}

#[test]
fn what_a_callback_inserts_waits_for_the_next_sweep() {
    let mut wheel = wheel();
    wheel.insert(at(0), None, 0).unwrap();
    for _ in 0..3 {
        wheel.advance(at(5 * MILLI));
        let (id, _) = wheel.next_due().unwrap();
        wheel.remove(id, None);
        wheel.insert(at(0), None, 0).unwrap();
        assert!(wheel.next_due().is_none());
        assert_eq!(wheel.next_deadline(), Some(at(5 * MILLI)), "no sleep");
    }
}

#[test]
fn a_restarted_timer_keeps_its_id_and_owner_and_needs_no_room() {
    let mut wheel = Wheel::new(1);
    let mut owner = OwnerTimers::default();
    let id = wheel.insert(at(MILLI), Some(&mut owner), 1).unwrap();
    for round in 1..=3 {
        wheel.advance(at(round * MILLI));
        assert_eq!(wheel.next_due(), Some((id, &1)));
        wheel.restart(id, at((round + 1) * MILLI));
        assert!(wheel.next_due().is_none());
        assert_eq!(wheel.next_deadline(), Some(at((round + 1) * MILLI)));
    }
    wheel.restart(id, at(DAY));
    assert_eq!(wheel.next_due(), None);
    assert_eq!(wheel.len(), 1);
    wheel.cancel_all(&mut owner);
    wheel.restart(id, at(0));
    assert_eq!(wheel.next_deadline(), None, "an ended timer stays ended");
}

#[test]
fn a_stale_id_is_harmless_after_its_entry_is_reused() {
    let mut wheel = wheel();
    let stale = wheel.insert(at(MILLI), None, 1).unwrap();
    wheel.remove(stale, None);
    let fresh = wheel.insert(at(MILLI), None, 2).unwrap();
    assert_eq!(stale.node, fresh.node);
    assert_eq!(wheel.peek(stale), None);
    assert_eq!(wheel.remove(stale, None), None);
    assert_eq!(wheel.peek(fresh), Some(&2));
    assert_eq!(sweep(&mut wheel, MILLI), [2]);
}

#[test]
fn an_entry_without_generations_left_is_retired() {
    let mut wheel = wheel();
    let mut id = wheel.insert(at(MILLI), None, 1).unwrap();
    id.generation = NonZeroU32::MAX;
    wheel.entry(id.node).generation = id.generation;
    assert_eq!(wheel.remove(id, None), Some(1));
    let next = wheel.insert(at(MILLI), None, 2).unwrap();
    assert_ne!(id.node, next.node);
    assert_eq!(wheel.remove(id, None), None);
    assert_eq!(sweep(&mut wheel, MILLI), [2]);
}

#[test]
fn the_timers_of_an_owner_end_with_it() {
    let mut wheel = wheel();
    let (mut one, mut two) = (OwnerTimers::default(), OwnerTimers::default());
    for value in 0..9 {
        let owner = if value % 2 == 0 { &mut one } else { &mut two };
        wheel
            .insert(at(u64::from(value)), Some(owner), value)
            .unwrap();
    }
    wheel.insert(at(0), None, 100).unwrap();
    wheel.advance(at(MILLI));
    wheel.insert(at(DAY), Some(&mut one), 9).unwrap();
    wheel.cancel_all(&mut one);
    assert_eq!(wheel.len(), 5);
    wheel.cancel_all(&mut two);
    assert_eq!(sweep(&mut wheel, DAY), [100]);
    wheel.cancel_all(&mut one);
    assert_eq!(wheel.len(), 0);
}

#[test]
fn a_timer_is_not_taken_from_its_owner_behind_its_back() {
    let mut wheel = wheel();
    let (mut owner, mut other) = (OwnerTimers::default(), OwnerTimers::default());
    let id = wheel.insert(at(0), Some(&mut owner), 1).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| wheel.remove(id, None))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| wheel.remove(id, Some(&mut other)))).is_err());
    assert_eq!(wheel.remove(id, Some(&mut owner)), Some(1));
}

#[test]
fn a_value_that_panics_in_drop_leaves_the_wheel_whole() {
    struct Bomb(bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0 || std::thread::panicking(), "bomb");
        }
    }
    let mut wheel = Wheel::new(10);
    let mut owner = OwnerTimers::default();
    for armed in [false, true, false] {
        let inserted = wheel.insert(at(0), Some(&mut owner), Bomb(armed));
        assert!(inserted.is_ok());
    }
    let cancel = AssertUnwindSafe(|| wheel.cancel_all(&mut owner));
    assert!(catch_unwind(cancel).is_err());
    check_structure(&wheel);
    assert_eq!(wheel.len(), 1);
    wheel.cancel_all(&mut owner);
    assert_eq!(wheel.len(), 0);
}

#[test]
fn at_the_bound_the_value_comes_back() {
    let mut wheel = Wheel::new(100);
    let mut owner = OwnerTimers::default();
    let first = wheel.insert(at(0), Some(&mut owner), 0).unwrap();
    for value in 1..100 {
        wheel.insert(at(0), None, value).unwrap();
    }
    assert_eq!(wheel.insert(at(0), Some(&mut owner), 7), Err(7));
    assert_eq!(wheel.entries.capacity(), 100, "no memory beyond the bound");
    wheel.remove(first, Some(&mut owner));
    assert!(wheel.insert(at(0), Some(&mut owner), 7).is_ok());
    assert_eq!(Wheel::new(0).insert(at(0), None, 7), Err(7));
}

#[test]
fn a_deadline_beyond_the_end_of_time_never_fires() {
    let mut wheel = wheel();
    wheel.insert(at(u64::MAX), None, 1).unwrap();
    wheel.insert(at(END), None, 2).unwrap();
    assert_eq!(sweep(&mut wheel, u64::MAX), [2]);
    assert_eq!(wheel.next_deadline(), Some(at(u64::MAX)));
}

#[test]
fn time_does_not_run_backwards() {
    let mut wheel = wheel();
    assert_eq!(sweep(&mut wheel, DAY), []);
    wheel.insert(at(MILLI), None, 1).unwrap();
    assert_eq!(sweep(&mut wheel, 0), [1]);
}

#[test]
fn an_optional_id_is_as_small_as_an_id() {
    assert_eq!(size_of::<Option<TimerId>>(), 8);
    assert_eq!(size_of::<OwnerTimers>(), 4);
}

const OWNERS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Starts a timer; when it fires it starts again, `again` times.
    Insert {
        delay: u64,
        owner: Option<usize>,
        again: u32,
    },
    /// Removes one of all ids ever given, ended ones too.
    Remove(prop::sample::Index),
    /// Restarts one of all ids ever given.
    Restart(prop::sample::Index, u64),
    CancelAll(usize),
    /// A sweep at a later time that fires at most so many timers.
    Advance(u64, usize),
    /// Sleeps as `next_deadline` says until something has fired.
    Sleep,
}

fn nanos() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => Just(0),
        2 => 1..MILLI,
        3 => (0..200u64).prop_map(|millis| millis * MILLI),
        3 => 0..5000 * MILLI,
        1 => 0..DAY,
        1 => 0..2 * YEAR,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let owner = prop::option::of(0..OWNERS);
    let delay = prop_oneof![20 => nanos(), 1 => 0..300 * YEAR, 1 => Just(u64::MAX)];
    prop_oneof![
        8 => (delay, owner, 0..3u32)
            .prop_map(|(delay, owner, again)| Step::Insert { delay, owner, again }),
        2 => any::<prop::sample::Index>().prop_map(Step::Remove),
        2 => (any::<prop::sample::Index>(), nanos())
            .prop_map(|(index, delay)| Step::Restart(index, delay)),
        1 => (0..OWNERS).prop_map(Step::CancelAll),
        2 => (nanos(), prop_oneof![Just(usize::MAX), 0..4usize])
            .prop_map(|(by, limit)| Step::Advance(by, limit)),
        2 => Just(Step::Sleep),
    ]
}

/// What the model knows of a timer; the wheel knows its name.
#[derive(Clone, Copy, Debug)]
struct Timer {
    name: usize,
    deadline: u64,
    delay: u64,
    owner: Option<usize>,
    again: u32,
}

/// Rounded deadline (not before the tick of insertion), then the order of insertion.
type Key = (u64, u64);

/// A wheel, and the sorted map that it must agree with.
struct Pair {
    wheel: Wheel<usize>,
    owners: [OwnerTimers; OWNERS],
    model: BTreeMap<Key, Timer>,
    inserted: u64,
    /// Timers inserted later than this are not due before the next sweep.
    swept: u64,
    now: u64,
    /// By name: every id ever given, and its key in the model.
    ids: Vec<(TimerId, Key)>,
}

impl Pair {
    fn key(&mut self, deadline: u64) -> Key {
        self.inserted += 1;
        let tick = deadline.div_ceil(MILLI).max(self.wheel.current);
        (tick, self.inserted)
    }

    fn insert(&mut self, delay: u64, owner: Option<usize>, again: u32) {
        let deadline = self.now.saturating_add(delay);
        let key = self.key(deadline);
        let name = self.ids.len();
        let list = owner.map(|owner| &mut self.owners[owner]);
        let id = self.wheel.insert(at(deadline), list, name).unwrap();
        self.ids.push((id, key));
        let timer = Timer {
            name,
            deadline,
            delay,
            owner,
            again,
        };
        self.model.insert(key, timer);
    }

    fn restart(&mut self, name: usize, delay: u64) {
        let (id, key) = self.ids[name];
        let deadline = self.now.saturating_add(delay);
        self.wheel.restart(id, at(deadline));
        if let Some(timer) = self.model.remove(&key) {
            let key = self.key(deadline);
            self.model.insert(key, Timer { deadline, ..timer });
            self.ids[name].1 = key;
        }
    }

    fn remove(&mut self, name: usize) {
        let (id, key) = self.ids[name];
        let expected = self.model.remove(&key);
        let owner = expected.and_then(|timer| timer.owner);
        let list = owner.map(|owner| &mut self.owners[owner]);
        assert_eq!(
            self.wheel.remove(id, list),
            expected.map(|timer| timer.name)
        );
    }

    fn first_due(&self) -> Option<Timer> {
        let (&(tick, number), timer) = self.model.first_key_value()?;
        (tick <= self.now / MILLI && number <= self.swept).then_some(*timer)
    }

    /// A sweep; returns the number of timers that fired.
    fn sweep(&mut self, now: u64, limit: usize) -> usize {
        self.now = now;
        self.swept = self.inserted;
        self.wheel.advance(at(now));
        for fired in 0..limit {
            let due = self.wheel.next_due();
            let Some(expected) = self.first_due() else {
                assert_eq!(due, None);
                return fired;
            };
            let (id, name) = due.map(|(id, name)| (id, *name)).expect("a timer is due");
            assert_eq!((id, name), (self.ids[name].0, expected.name), "order");
            assert!(expected.deadline <= now, "early");
            match expected.again.checked_sub(1) {
                // A repeating timer: the same one again.
                Some(_) if expected.again % 2 == 0 => {
                    let key = self.ids[name].1;
                    self.model.entry(key).and_modify(|timer| timer.again -= 1);
                    self.restart(name, expected.delay);
                }
                // A handler that starts another one.
                Some(again) => {
                    self.remove(name);
                    self.insert(expected.delay, expected.owner, again);
                }
                None => self.remove(name),
            }
        }
        limit
    }

    fn sleep(&mut self) {
        let first = self.model.first_key_value().map(|(_, timer)| *timer);
        let Some(first) = first.filter(|first| first.deadline <= END) else {
            return;
        };
        let before = self.now;
        for _ in 0..LEVELS {
            let wake = self.wheel.next_deadline().unwrap().as_nanos();
            if self.sweep(wake.max(self.now), usize::MAX) > 0 {
                let late = self.now - first.deadline.max(before);
                assert!(late < MILLI, "{late} ns late");
                return;
            }
        }
        panic!("woken {LEVELS} times in vain");
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Insert {
                delay,
                owner,
                again,
            } => self.insert(delay, owner, again),
            Step::Remove(_) | Step::Restart(..) if self.ids.is_empty() => {}
            Step::Remove(index) => self.remove(index.index(self.ids.len())),
            Step::Restart(index, delay) => self.restart(index.index(self.ids.len()), delay),
            Step::CancelAll(owner) => {
                self.wheel.cancel_all(&mut self.owners[owner]);
                self.model.retain(|_, timer| timer.owner != Some(owner));
            }
            Step::Advance(by, limit) => {
                self.sweep(self.now.saturating_add(by), limit);
            }
            Step::Sleep => self.sleep(),
        }
    }

    fn check(&self) {
        check_structure(&self.wheel);
        assert_eq!(self.wheel.len(), self.model.len());
        let first = self.model.first_key_value().map(|(key, _)| key.0);
        let wake = self.wheel.next_deadline().map(Time::as_nanos);
        assert_eq!(wake.is_some(), first.is_some());
        // What is late or due already only has to wake at once.
        let first = first.map(|tick| tick.max(self.wheel.current));
        assert!(wake <= first.map(|tick| tick.saturating_mul(MILLI)));
        for (id, key) in &self.ids {
            let expected = self.model.get(key).map(|timer| &timer.name);
            assert_eq!(self.wheel.peek(*id), expected);
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_a_sorted_map(steps in prop::collection::vec(step(), 1..120)) {
        let mut pair = Pair {
            wheel: Wheel::new(usize::MAX),
            owners: Default::default(),
            model: BTreeMap::new(),
            inserted: 0,
            swept: 0,
            now: 0,
            ids: Vec::new(),
        };
        for step in steps {
            pair.run(step);
            pair.check();
        }
        // Exactly once: what is left fires now, except what lies beyond the end of time.
        while pair.sweep(END, usize::MAX) > 0 {}
        prop_assert!(pair.model.values().all(|timer| timer.deadline > END));
    }
}
