//! How many programs are tried, from which seed, and what is shown of one that fails.
//! It must never change what a program does.

use std::cell::Cell;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// Programs in a row between two looks at the clock.
const BATCH: u32 = 50;

/// Tries random values of `strategy` until `judge` fails, or `cases` are tried.
///
/// `SWITCHBOARD_CASES` tries so many, `SWITCHBOARD_SECONDS` goes on for so long, and
/// `SWITCHBOARD_SEED` begins with the programs of that seed.
///
/// # Panics
/// A value failed; it is shown, made as simple as possible, with its seed.
pub fn search<T: Debug>(
    name: &str,
    cases: u32,
    strategy: &impl Strategy<Value = T>,
    judge: impl Fn(&T) -> Result<(), String>,
) {
    let cases = number("SWITCHBOARD_CASES").map_or(cases, |n| n as u32);
    let time = number("SWITCHBOARD_SECONDS").map(Duration::from_secs);
    let mut seed = number("SWITCHBOARD_SEED").unwrap_or_else(|| fastrand::u64(..));
    let start = Instant::now();
    let mut tried = 0;
    while time.map_or(tried < cases, |time| start.elapsed() < time) {
        let good = Cell::new(0);
        let failed = Cell::new(false);
        let judge = |value: &T| {
            let verdict = judge(value);
            // What comes after the first failure are simpler forms of it.
            failed.set(failed.get() || verdict.is_err());
            good.set(good.get() + u32::from(!failed.get()));
            verdict
        };
        let batch = time.map_or(BATCH.min(cases.saturating_sub(tried)), |_| BATCH);
        if let Err(failure) = try_batch(seed, batch, strategy, judge) {
            let good = tried + good.get();
            panic!(
                "SWITCHBOARD_SEED={seed} shows {name} failing (after {good} good ones):\n{failure}"
            );
        }
        tried += batch;
        seed = seed.wrapping_add(1);
    }
    println!("{name}: {tried} tried in {:?}", start.elapsed());
}

/// What `look` finds first in `cases` random values, and in which: the same ones in every run.
pub fn find<T: Debug, F>(
    strategy: &impl Strategy<Value = T>,
    cases: usize,
    look: impl Fn(&T) -> Option<F>,
) -> Option<(usize, F)> {
    let mut runner = TestRunner::new_with_rng(Config::default(), random(0));
    (0..cases).find_map(|nth| {
        let tree = strategy.new_tree(&mut runner).ok()?;
        Some((nth, look(&tree.current())?))
    })
}

fn random(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

fn try_batch<T: Debug>(
    seed: u64,
    cases: u32,
    strategy: &impl Strategy<Value = T>,
    judge: impl Fn(&T) -> Result<(), String>,
) -> Result<(), String> {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_time: 30_000,
        max_shrink_iters: 3_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, random(seed));
    let result = runner.run(strategy, |value| judge(&value).map_err(TestCaseError::fail));
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, value)) => Err(format!("{value:?}\n{why}")),
        Err(error) => Err(error.to_string()),
    }
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is a number, not {value:?}")))
}
