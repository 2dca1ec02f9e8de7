//! What a timer costs while a thousand others are pending, and while a million are.
//!
//! Everything goes through the public API, as a program would use it. Each figure is the median
//! of the rounds, which visit the sizes in turn, so that a machine that slows down slows all.
//! Times are CPU time of this thread, so that neither sleeping nor other programs count.
//!
//! A timer that was started long ago has left the caches, so cancelling it costs what the memory
//! costs. The control shows how much that is: it changes rows, chosen at random, of a table of the
//! size that the pending timers have.
//!
//! `cargo bench -p switchboard --bench timers` takes about a quarter of a minute. Without `--bench` among
//! the arguments, as in `cargo test --benches`, it makes one short round to show that it works.

use std::hint::black_box;
use std::time::Duration;

use fastrand::Rng;
use rustix::time::{ClockId, clock_gettime};
use switchboard::{LoopContext, Reactor, Result, TimerId};

/// Timers that are pending while others are started, cancelled and fired.
const SMALL: usize = 1_000;
const LARGE: usize = 1_000_000;

/// Timers started, cancelled or fired together: their cost is divided by this.
const BATCH: usize = 500;

/// Batches of each kind in one round.
const BATCHES: usize = 20;

/// What the control changes for each cancelled timer: the timer, its place in the wheel, and the
/// two neighbours of that. A row is as large as a timer in the wheel, 56 bytes.
const CHANGES: usize = 4;
type Row = [u64; 7];

/// Ticks without a due timer in one round.
const TICKS: usize = 2_000;

const ROUNDS: usize = 25;

/// The deadlines of the pending timers, from now: none comes due while the benchmark runs.
const FAR: std::ops::Range<u64> = 600_000..86_400_000;

/// How many timers of a drain come due in each millisecond, at both sizes.
const DENSITY: usize = 500;

/// Drains of the large size; each takes two seconds.
const DRAINS: usize = 5;

fn main() -> Result {
    let is_short = !std::env::args().any(|argument| argument == "--bench");
    let (sizes, rounds, drains) = if is_short {
        ([SMALL, 10 * SMALL], 1, 1)
    } else {
        ([SMALL, LARGE], ROUNDS, DRAINS)
    };
    let mut benches = [Bench::new(sizes[0])?, Bench::new(sizes[1])?];
    for _ in 0..rounds {
        for bench in &mut benches {
            bench.round()?;
        }
    }
    for _ in 0..drains {
        for (bench, size) in benches.iter_mut().zip(sizes) {
            // The short drain is over in a few ticks, so it takes more of them.
            for _ in 0..(sizes[1] / size).min(20) {
                bench.drains.push(drain(size)?);
            }
        }
    }
    report(sizes, &mut benches);
    Ok(())
}

/// Nanoseconds of CPU time that this thread has used so far.
fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// How long `work` takes, in nanoseconds for each of `operations`.
fn timed(operations: usize, work: impl FnOnce() -> Result) -> Result<f64> {
    let begin = cpu_time();
    work()?;
    Ok((cpu_time() - begin) / operations as f64)
}

/// A reactor with pending timers, and what was measured on it.
struct Bench {
    reactor: Reactor<usize>,
    rng: Rng,
    pending: Vec<TimerId>,
    table: Vec<Row>,
    insert: Vec<f64>,
    cancel_newest: Vec<f64>,
    cancel_any: Vec<f64>,
    control: Vec<f64>,
    fire: Vec<f64>,
    tick: Vec<f64>,
    drains: Vec<f64>,
}

impl Bench {
    fn new(size: usize) -> Result<Bench> {
        let mut bench = Bench {
            reactor: Reactor::new(0)?,
            rng: Rng::with_seed(size as u64),
            pending: Vec::new(),
            table: vec![[1; 7]; size],
            insert: Vec::new(),
            cancel_newest: Vec::new(),
            cancel_any: Vec::new(),
            control: Vec::new(),
            fire: Vec::new(),
            tick: Vec::new(),
            drains: Vec::new(),
        };
        let delays = bench.delays(size);
        bench.start(&delays)?;
        Ok(bench)
    }

    fn round(&mut self) -> Result {
        for _ in 0..BATCHES {
            // Of all that are pending, so that what is measured lies anywhere in memory.
            let size = self.pending.len();
            let chosen = size - BATCH;
            for index in chosen..size {
                let other = self.rng.usize(..=index);
                self.pending.swap(index, other);
            }
            let any = self.pending.split_off(chosen);
            self.cancel_any.push(cancel(&mut self.reactor, &any)?);
            let cost = self.control()?;
            self.control.push(cost);

            let delays = self.delays(BATCH);
            let cost = self.start(&delays)?;
            self.insert.push(cost);

            let delays = self.delays(BATCH);
            self.start(&delays)?;
            let newest = self.pending.split_off(size);
            self.cancel_newest.push(cancel(&mut self.reactor, &newest)?);

            let cost = self.fire()?;
            self.fire.push(cost);
        }
        let reactor = &mut self.reactor;
        let cost = timed(TICKS, || {
            (0..TICKS).try_for_each(|_| reactor.turn(Some(Duration::ZERO)))
        });
        self.tick.push(cost?);
        Ok(())
    }

    fn delays(&mut self, count: usize) -> Vec<Duration> {
        let delay = |_| Duration::from_millis(self.rng.u64(FAR));
        (0..count).map(delay).collect()
    }

    /// Starts a timer for each delay, and says what one has cost.
    fn start(&mut self, delays: &[Duration]) -> Result<f64> {
        let Bench {
            reactor, pending, ..
        } = self;
        pending.reserve(delays.len());
        timed(delays.len(), || {
            reactor.with(|_, cx| {
                for delay in delays {
                    pending.push(cx.after(*delay, count)?);
                }
                Ok(())
            })
        })
    }

    fn control(&mut self) -> Result<f64> {
        let Bench { table, rng, .. } = self;
        let chosen: Vec<usize> = (0..BATCH * CHANGES)
            .map(|_| rng.usize(..table.len()))
            .collect();
        timed(BATCH, || {
            for index in &chosen {
                let row = &mut table[*index];
                row[0] = row[0].wrapping_add(row[6]);
            }
            black_box(table);
            Ok(())
        })
    }

    /// What a due timer costs, its call and its share of the tick included.
    fn fire(&mut self) -> Result<f64> {
        let reactor = &mut self.reactor;
        let before = *reactor.state();
        reactor.with(|_, cx| {
            let soon = Duration::from_millis(1);
            (0..BATCH).try_for_each(|_| cx.after(soon, count).map(drop))
        })?;
        // Before they are due the loop may wake up to move them to the wheel's lowest level: that
        // is part of the cost, and waiting is not.
        let mut cost = 0.0;
        while *reactor.state() < before + BATCH {
            while reactor.next_timeout() != Some(Duration::ZERO) {}
            cost += timed(BATCH, || reactor.turn(Some(Duration::ZERO)))?;
        }
        Ok(cost)
    }
}

fn count(fired: &mut usize, _: &mut LoopContext<'_, usize>) {
    *fired += 1;
}

fn cancel(reactor: &mut Reactor<usize>, timers: &[TimerId]) -> Result<f64> {
    timed(timers.len(), || {
        reactor.with(|_, cx| {
            for timer in timers {
                let was_pending = cx.cancel_timer(*timer);
                assert!(black_box(was_pending));
            }
        });
        Ok(())
    })
}

/// What a timer costs from its deadline on if `size` of them come due one after the other, all
/// ticks and the way down through the wheel's levels included.
fn drain(size: usize) -> Result<f64> {
    let mut reactor = Reactor::new(0)?;
    let mut rng = Rng::with_seed(size as u64);
    let span = (size / DENSITY) as u64;
    reactor.with(|_, cx| {
        (0..size).try_for_each(|_| {
            let delay = Duration::from_millis(rng.u64(..span));
            cx.after(delay, count).map(drop)
        })
    })?;
    timed(size, || {
        while *reactor.state() < size {
            reactor.turn(None)?;
        }
        Ok(())
    })
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn report(sizes: [usize; 2], benches: &mut [Bench; 2]) {
    let [small, large] = sizes.map(|size| format!("{size} pending"));
    println!("| ns of CPU time | {small} | {large} | ratio |");
    println!("|---|---:|---:|---:|");
    type Samples = fn(&mut Bench) -> &mut Vec<f64>;
    let rows: [(&str, Samples); 7] = [
        ("start a timer", |bench| &mut bench.insert),
        ("cancel one of the newest", |bench| &mut bench.cancel_newest),
        ("cancel any", |bench| &mut bench.cancel_any),
        ("control: change 4 rows", |bench| &mut bench.control),
        ("fire, 500 in one tick", |bench| &mut bench.fire),
        ("fire all, 500 a millisecond", |bench| &mut bench.drains),
        ("a tick, nothing due", |bench| &mut bench.tick),
    ];
    for (name, samples) in rows {
        let [small, large] = benches.each_mut().map(|bench| median(samples(bench)));
        let ratio = large / small;
        println!("| {name} | {small:.1} | {large:.1} | {ratio:.2} |");
    }
}
