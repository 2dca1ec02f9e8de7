//! What was acknowledged is there after everything that can happen to a process and to its disk.
//!
//! `SWITCHBOARD_CRASHES` is how many times as many crashes there are: 1 where it is not set.

mod batches;
mod child;
mod disk;
mod failing;
mod full;
mod killed;
mod power;
mod server;
mod torn;
mod trace;

/// How many times as much as usual is to be tried.
fn factor() -> usize {
    let factor = std::env::var("SWITCHBOARD_CRASHES").ok();
    factor.map_or(1, |it| it.parse().expect("SWITCHBOARD_CRASHES is a number"))
}
