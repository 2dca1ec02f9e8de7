//! Timers against a model: each fires once, in time, and not after it was cancelled or its source
//! has ended. It must never measure by another clock than the reactor's own.

use std::time::Duration;

use fastrand::Rng;
use switchboard::sim::{Fault, Simulation, Swarm};
use switchboard::{Close, Context, Handler, OnPanic, Reactor, Result, Time, TimerId};

use crate::life::{self, Alive, Lives};
use crate::weather;

#[derive(Default)]
struct Tower {
    lives: Lives,
    /// Of closures that are to be called, when.
    closures: Vec<Time>,
    /// How late a timer may be.
    patience: Duration,
    idle: usize,
}

impl Alive for Tower {
    fn lives(&mut self) -> &mut Lives {
        &mut self.lives
    }
}

struct Clock {
    rng: Rng,
    /// What is to come, with the period of an interval.
    due: Vec<(TimerId, Time, Option<Duration>)>,
    /// What must not come any more.
    over: Vec<TimerId>,
    budget: u32,
}

impl Clock {
    fn wind(&mut self, tower: &mut Tower, cx: &mut Context<'_, Tower>) -> Result {
        for _ in 0..self.rng.u32(1..4).min(self.budget) {
            self.budget -= 1;
            let delay = match self.rng.u8(..4) {
                0 => Duration::ZERO,
                1 => Duration::from_micros(self.rng.u64(1..5000)),
                2 => Duration::from_millis(self.rng.u64(1..2000)),
                _ => Duration::from_secs(self.rng.u64(1..400)),
            };
            match self.rng.u8(..8) {
                0 => {
                    let period = delay.max(Duration::from_millis(1));
                    let timer = cx.set_interval(period)?;
                    self.due.push((timer, cx.now() + period, Some(period)));
                }
                1 => {
                    let at = cx.now() + delay;
                    tower.closures.push(at);
                    cx.after(delay, move |tower, cx| {
                        tower.is_in_time(at, cx.now());
                        let place = tower.closures.iter().position(|due| *due == at);
                        tower
                            .closures
                            .swap_remove(place.expect("a closure is called twice"));
                    })?;
                }
                _ => self
                    .due
                    .push((cx.set_timer(delay)?, cx.now() + delay, None)),
            }
        }
        while self.due.len() > 8 || !self.due.is_empty() && self.rng.u8(..4) == 0 {
            let (timer, ..) = self.due.swap_remove(self.rng.usize(..self.due.len()));
            assert!(cx.cancel_timer(timer), "it was to come");
            self.over.push(timer);
        }
        for timer in &self.over {
            assert!(!cx.cancel_timer(*timer), "it was over");
        }
        Ok(())
    }
}

impl Tower {
    fn is_in_time(&self, due: Time, now: Time) {
        assert!(now >= due, "{:?} too early", due - now);
        let late = now - due;
        assert!(late <= self.patience, "{late:?} too late");
    }
}

impl Handler<Tower> for Clock {
    fn handle_signal(&mut self, tower: &mut Tower, cx: &mut Context<'_, Tower>, _: i32) -> Result {
        self.wind(tower, cx)
    }

    fn handle_timer(
        &mut self,
        tower: &mut Tower,
        cx: &mut Context<'_, Tower>,
        timer: TimerId,
    ) -> Result {
        let place = self.due.iter().position(|(due, ..)| *due == timer);
        let place = place.expect("a timer that was not to come");
        let (_, due, period) = self.due[place];
        tower.is_in_time(due, cx.now());
        match period {
            Some(period) => self.due[place].1 = cx.now() + period,
            None => {
                self.due.swap_remove(place);
                self.over.push(timer);
            }
        }
        if self.rng.u8(..64) == 0 {
            cx.close(); // what is due is not to come
            return Ok(());
        }
        self.wind(tower, cx)?;
        if self.budget == 0 {
            for (timer, ..) in self.due.extract_if(.., |(.., period)| period.is_some()) {
                assert!(cx.cancel_timer(timer), "it was to come");
            }
        }
        if self.due.is_empty() {
            tower.idle += 1;
            cx.close();
        }
        Ok(())
    }

    fn handle_close(&mut self, tower: &mut Tower, cx: &mut Context<'_, Tower>, why: &Close) {
        assert!(cx.set_timer(Duration::ZERO).is_err(), "a timer for nobody");
        let due: Vec<TimerId> = self.due.iter().map(|(timer, ..)| *timer).collect();
        let _ = cx.after(Duration::ZERO, move |_, cx| {
            for timer in due {
                assert!(!cx.cancel_timer(timer), "timers end with their source");
            }
        });
        if matches!(why, Close::Requested) && self.budget > 0 {
            let (seed, budget) = (self.rng.u64(..), self.budget - 1);
            let _ = cx.after(Duration::from_millis(1), move |tower, cx| {
                let _ = life::signals(tower, cx, clock(seed, budget));
            });
            tower.idle += 1;
        }
    }
}

fn clock(seed: u64, budget: u32) -> Clock {
    Clock {
        rng: Rng::with_seed(seed),
        due: Vec::new(),
        over: Vec::new(),
        budget,
    }
}

pub fn clockwork(sim: &mut Simulation) -> Result {
    let mut rng = Rng::with_seed(sim.seed());
    let gentle = weather::is_gentle(sim, &mut rng);
    let faults = sim.current_faults();
    let is_late = !gentle || faults.rate(Fault::SlowHandler) > 0.0;
    // A timer is rounded up to milliseconds.
    let patience = Duration::from_millis(if is_late { 10_000 } else { 2 });
    let seeds: Vec<u64> = (0..rng.usize(1..4)).map(|_| rng.u64(..)).collect();
    let state = move || Tower {
        patience,
        ..Tower::default()
    };
    let boot = move |reactor: &mut Reactor<Tower>| {
        for seed in &seeds {
            let clock = clock(*seed, 60);
            reactor.with(|tower, cx| life::signals(tower, cx, clock))?;
        }
        Ok(())
    };
    let builder = Reactor::builder().on_panic(OnPanic::Stop);
    let host = sim.host_with("tower", builder, state, boot)?;
    for _ in 0..rng.u32(2..30) {
        sim.run_for(Duration::from_millis(rng.u64(1..3000)))?;
        if sim.is_up(host) {
            sim.signal(host, switchboard::signal::SIGHUP);
        }
    }
    sim.run_for(Duration::from_secs(rng.u64(1..1000)))?;
    if sim.is_up(host) {
        let now = sim.now();
        let overdue = sim
            .state(host)
            .closures
            .iter()
            .filter(|due| **due + patience < now);
        assert!(!is_late || overdue.count() == 0, "closures were not called");
    }
    weather::shut_down(sim, &[host], &mut rng)
}

#[test]
fn timers_fire_once_and_in_time() {
    Swarm::new("timers_fire_once_and_in_time").check(clockwork);
}
