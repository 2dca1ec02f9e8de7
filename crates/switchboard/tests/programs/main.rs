//! Random programs, run on every driver, against a model of what must hold.

mod agreement;
#[path = "../suite/drivers.rs"]
mod drivers;
#[path = "../suite/located.rs"]
mod located;
mod model;
mod network;
#[path = "../suite/peers.rs"]
mod peers;
mod program;
mod runner;
mod search;
mod state;
mod steps;
mod strategies;
mod streams;
mod world;

use std::process::ExitCode;

use switchboard_partners::Suite;

use agreement::agree;
use drivers::Driver;
use program::Program;
use search::{find, search};
use state::Lie;
use world::{Report, Way, run};

/// Lines of a story that are shown when it ends badly.
const SHOWN: usize = 60;

/// Runs a program, and tells what went wrong.
fn hold(program: &Program, way: Way, lie: Option<Lie>) -> Result<Report, String> {
    let report = run(program, way, lie);
    if report.model.violations.is_empty() {
        return Ok(report);
    }
    let story = &report.model.story;
    let shown = &story[story.len().saturating_sub(SHOWN)..];
    Err(format!(
        "{}\nthe story of {way:?}:\n{}",
        report.model.violations.join("\n"),
        shown.join("\n")
    ))
}

fn whatever_programs_do_the_promises_hold(way: Way) {
    search("racing", 200, &strategies::racing(), |program| {
        hold(program, way, None).map(drop)
    });
}

fn an_embedded_reactor_asks_for_every_turn_that_it_needs(way: Way) {
    search("embedded", 100, &strategies::racing(), |program| {
        hold(program, way.embedded(), None).map(drop)
    });
}

/// The first of the worlds is compared with each of the others.
fn all_worlds_agree(ways: &[Way]) {
    search("in step", 150, &strategies::in_step(), |program| {
        let (first, others) = ways.split_first().ok_or("no world")?;
        let report = hold(program, *first, None)?;
        others.iter().try_for_each(|way| {
            let other = hold(program, *way, None)?;
            agree(&report, &other).map_err(|what| format!("{first:?} and {way:?}: {what}"))
        })
    });
}

/// If nobody noticed these, the promises would hold whatever the library did.
fn every_lie_is_found(way: Way) {
    for lie in Lie::ALL {
        let found = find(&strategies::racing(), 1_000, |program| {
            let failure = hold(program, way, Some(lie)).err()?;
            assert_eq!(hold(program, way, None).err(), None);
            Some(failure)
        });
        let (nth, failure) = found.unwrap_or_else(|| panic!("{lie:?} is never found"));
        let first = failure.lines().next().unwrap_or_default();
        println!("{lie:?}, program {nth}: {first}");
    }
}

/// Makes tests of functions of a way, on a driver if it works here.
macro_rules! add {
    ($suite:ident, $driver:ident: $($test:ident)*) => {
        $(
            let name = format!("{}::{}", $driver, stringify!($test));
            $suite = $suite.when($driver.works(), name, move || {
                located::run(|| $test(Way::on($driver)));
            });
        )*
    };
}

fn main() -> ExitCode {
    located::keep_quiet();
    let all = Driver::ALL.iter().copied();
    let working = all.clone().filter(|driver| driver.works().is_ok());
    let ways: Vec<Way> = working.map(Way::on).collect();
    let mut suite = Suite::new()
        .when(Ok(()), "streams", || {
            located::run(streams::a_byte_more_less_or_elsewhere_is_found);
        })
        .when(Ok(()), "every_lie_is_found", || {
            located::run(|| every_lie_is_found(Way::on(Driver::Readiness)));
        })
        .when(Ok(()), "all_worlds_agree", move || {
            located::run(|| all_worlds_agree(&ways));
        });
    for driver in all.clone() {
        add!(suite, driver: whatever_programs_do_the_promises_hold);
    }
    for driver in all.filter(|driver| !matches!(driver, Driver::Recorded | Driver::Simulated)) {
        add!(suite, driver: an_embedded_reactor_asks_for_every_turn_that_it_needs);
    }
    suite.run()
}
