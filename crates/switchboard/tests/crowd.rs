//! Two thousand connections at once, most of which behave: all that stay get exactly their
//! receipts, whatever the others do, and the server stays within its bounds.
//!
//! What the clients do follows from a seed, which a failure shows; `SWITCHBOARD_SEED` sets it.

#[path = "crowd/clients.rs"]
mod clients;
#[path = "crowd/descriptors.rs"]
mod descriptors;
#[path = "crowd/drivers.rs"]
mod drivers;
#[path = "crowd/plan.rs"]
mod plan;
#[path = "crowd/server.rs"]
mod server;

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use switchboard::{Driver, Listener, OnPanic, Reactor};

use clients::Crowd;
use plan::{MESSAGES, Part, Role};
use server::{End, How, LOW, Report, Shift, serve};

const CLIENTS: usize = 2_000;

/// Descriptors that are not connections: the harness's, both reactors', the listener.
const SPARE_DESCRIPTORS: usize = 64;

/// The bound of all the server's buffers, in bytes. Reaching it would close connections. The
/// floods alone offer many times as much, and may have no more than their own bounds of it:
/// `HIGH` and `INBOX` each, 560 KiB. The rest is for what one tick reads of the others.
const MAX_BUFFERED: usize = 3 * 1024 * 1024;

/// A test that hangs fails after this long. One that passes takes a few seconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// No tick may take longer, however busy the machine is with other things.
const LARGEST_TICK: Duration = Duration::from_secs(2);

#[test]
fn a_crowd_gets_its_receipts() {
    let seed = match std::env::var("SWITCHBOARD_SEED") {
        Ok(seed) => seed.parse().expect("SWITCHBOARD_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    for driver in drivers::working() {
        run(driver, seed);
    }
}

fn run(driver: Driver, seed: u64) {
    let clients = CLIENTS.min((descriptors::raise() - SPARE_DESCRIPTORS) / 2);
    let parts = plan::cast(seed, clients);
    let floods = parts.iter().filter(|part| part.role.floods()).count();

    let listener = Listener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local().expect("it is bound");
    let address = address.ip().expect("it is an IP address");
    let start = Instant::now();
    let deadline = start + DEADLINE;
    let mut reactor = Reactor::builder()
        .driver(driver)
        .on_panic(OnPanic::Stop)
        .seed(seed)
        .build(Crowd::new(&parts))
        .expect("there are descriptors");
    let shift = Shift {
        driver,
        listener,
        clients,
        max_buffered: MAX_BUFFERED,
        // A held connection has more than `LOW` in its outbox.
        filled: floods * LOW,
        crowd: reactor.remote(),
        deadline,
    };
    let server = thread::spawn(move || serve(shift));
    let run = clients::run(&mut reactor, address, &parts, deadline);
    let server = server.join().expect("the server does not panic");
    let report = server.expect("the server runs");
    let took = start.elapsed();
    tell(driver, seed, clients, took, &report);

    let mut problems = Vec::new();
    problems.extend(run.err().map(|error| format!("the clients: {error}")));
    problems.extend((took >= DEADLINE).then(|| format!("not over after {DEADLINE:?}")));
    problems.extend(reactor.state().problems.iter().cloned());
    problems.extend(report.desk.problems.iter().cloned());
    problems.extend(wrong_ends(&parts, reactor.state(), &report));
    problems.extend(broken_bounds(&report, clients, floods));
    let count = problems.len();
    problems.truncate(20);
    let list = problems.join("\n");
    assert!(
        problems.is_empty(),
        "{driver}, SWITCHBOARD_SEED={seed}: {count} problems\n{list}"
    );
}

/// Shows what was measured, past the harness, which keeps what a passing test prints to itself.
fn tell(driver: Driver, seed: u64, clients: usize, took: Duration, report: &Report) {
    let answered: u64 = report.desk.ends.iter().map(|end| end.answered as u64).sum();
    let Report {
        ticks,
        largest_tick,
        largest_buffered,
        ..
    } = report;
    let refusals = report.desk.refusals;
    let _ = writeln!(
        std::io::stderr(),
        "crowd on {driver}: {clients} connections (of {CLIENTS}), {answered} receipts in {took:.1?}, \
         {ticks} ticks, largest tick {largest_tick:.1?}, largest buffered {largest_buffered} of \
         {MAX_BUFFERED} bytes, {refusals} sends refused, SWITCHBOARD_SEED={seed}"
    );
}

/// Who has not ended as its part says, or not once.
fn wrong_ends(parts: &[Part], crowd: &Crowd, report: &Report) -> Vec<String> {
    let mut ends: Vec<Option<&End>> = vec![None; parts.len()];
    let mut problems = Vec::new();
    let mut strangers = 0_i64;
    for end in &report.desk.ends {
        match end.id.and_then(|id| ends.get_mut(id as usize)) {
            Some(place @ None) => *place = Some(end),
            Some(Some(_)) => problems.push(format!("{end:?}: a second one")),
            None => strangers += 1,
        }
    }
    let mut resets = 0;
    for part in parts {
        let id = part.id as usize;
        let sent = crowd.sent[id];
        let is_right = match (part.role, ends[id]) {
            (Role::Stays, Some(end)) => end.how == How::Finished && end.answered == MESSAGES,
            (Role::Finishes(_) | Role::ReadsLate, Some(end)) => {
                end.how == How::Finished && end.answered == sent
            }
            (Role::Drops(_) | Role::Resets(_), Some(end)) => {
                resets += usize::from(end.how == How::Broken);
                !matches!(end.how, How::Wrong(_)) && end.answered <= part.messages()
            }
            (Role::NeverReads, Some(end)) => end.how == How::Broken && end.answered <= sent,
            (Role::Finishes(_) | Role::Drops(_) | Role::Resets(_), None) => {
                strangers -= 1; // gone before the first message was complete, or read
                part.messages() == 0 || !part.role.hears_the_end()
            }
            (Role::Stays | Role::NeverReads | Role::ReadsLate, None) => false,
        };
        if !is_right || crowd.ends[id] != 1 {
            let Part { id, role, .. } = part;
            let (end, count) = (ends[*id as usize], crowd.ends[*id as usize]);
            problems.push(format!(
                "client {id} ({role:?}) ended {count} times, sent {sent}: {end:?}"
            ));
        }
    }
    problems.extend((strangers != 0).then(|| format!("{strangers} connections of nobody")));
    problems.extend((resets == 0).then(|| "no connection was reset".to_owned()));
    problems
}

/// What the server's bounds and counts should be, and are not.
fn broken_bounds(report: &Report, clients: usize, floods: usize) -> Vec<String> {
    let desk = &report.desk;
    let all = desk.accepted == clients && desk.ends.len() == clients && desk.listener_ends == 1;
    let held = floods * LOW..=MAX_BUFFERED;
    let checks = [
        (all, "somebody has not come, or has not ended, or twice"),
        (report.sources == 1, "sources are left beside the listener"),
        (report.buffered == 0, "bytes are left of nobody"),
        (
            held.contains(&report.largest_buffered),
            "the buffers were never filled, or overfilled",
        ),
        (desk.refusals > 0, "no send was refused"),
        (report.largest_tick <= LARGEST_TICK, "the loop has stalled"),
    ];
    let failed = checks.into_iter().filter(|(holds, _)| !holds);
    failed.map(|(_, what)| what.to_owned()).collect()
}
