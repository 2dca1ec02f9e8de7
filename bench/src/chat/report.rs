//! The report of the chat benchmark, as a page that a terminal shows as well.
//!
//! Must never hold a figure that was not measured in this run.

use std::time::Duration;

use crate::chat::fanout::{Outcome, Row, Summary};
use crate::chat::peers::{OURS, OURS_URING};
use crate::chat::plan::Plan;
use crate::chat::scale::{Crowd, Done};
use crate::machine::Machine;
use crate::statistics::Estimate;
use crate::table::{Table, three_digits, time};

/// How many times as many deliveries per CPU second as the best peer ours is to make.
const GOAL_RATIO: f64 = 1.5;
/// Bytes of memory that an idle user of ours may take.
const GOAL_BYTES: f64 = 1500.0;

/// All that came of a run.
pub struct Report {
    /// What it ran on.
    pub machine: Machine,
    /// Its extent.
    pub plan: Plan,
    /// How long it took, without building anything.
    pub took: Duration,
    /// Messages on the way.
    pub window: usize,
    /// Peers with what they say of their version.
    pub versions: Vec<(&'static str, String)>,
    /// Peers that are not here, with the reason.
    pub missing: Vec<(&'static str, String)>,
    /// Of the rooms.
    pub outcomes: Vec<Outcome>,
    /// Of the crowds, or why there is none.
    pub crowds: Vec<(&'static str, Result<Crowd, String>)>,
}

impl Report {
    /// Whether all peers that took part came through.
    pub fn complete(&self) -> bool {
        self.outcomes.iter().all(|it| it.failures.is_empty())
            && self.crowds.iter().all(|(_, crowd)| crowd.is_ok())
    }

    /// The page.
    pub fn to_markdown(&self) -> String {
        let mut page = format!(
            "# Chat, side by side\n\n\
             `cargo run --release -p switchboard-bench -- chat`, {}, {}, Linux {}. \
             It took {} s. bench/README.md says what each figure means.\n\n",
            self.machine.date,
            self.machine.processor,
            self.machine.kernel,
            self.took.as_secs()
        );
        for (name, version) in &self.versions {
            page.push_str(&format!("- {name}: {version}\n"));
        }
        for (name, why) in &self.missing {
            page.push_str(&format!("- {name} is missing: {why}\n"));
        }
        for outcome in &self.outcomes {
            page.push_str(&rooms(outcome, &self.plan, self.window));
        }
        page.push_str(&self.crowds());
        page.push_str("\n## Goals\n\n");
        for goal in self.goals() {
            page.push_str(&format!("- {goal}\n"));
        }
        page
    }

    fn crowds(&self) -> String {
        let Some((_, _)) = self.crowds.first() else {
            return String::new();
        };
        let mut table = Table::new([
            "peer",
            "bytes per idle user",
            "and in the room",
            "connect and register",
            "join one room",
            "message to all, p50",
            "slowest",
            "back at once",
        ]);
        let mut failures = String::new();
        for (name, crowd) in &self.crowds {
            match crowd {
                Ok(crowd) => table.row(crowd_cells(name, crowd)),
                Err(why) => failures.push_str(&format!("\n{name} failed: {why}\n")),
            }
        }
        format!(
            "\n## {} users\n\n\
             Bytes are growth of `VmRSS` by each. A time that has a number of users before it is \
             that of so many of them: the others had no place after {} s. \
             *Back at once*: all connections are reset, then all connect, register and (where there \
             is a room of all) join at the same time. A dash: each who joins is announced to all, \
             so a room of all is quadratic. Redis has subscribers, and nobody registers.\n\n{}{failures}",
            self.plan.crowd,
            self.plan.step_limit.as_secs(),
            table.render()
        )
    }

    /// What is to be shown, and whether it was.
    fn goals(&self) -> Vec<String> {
        let mut goals = vec![];
        for outcome in &self.outcomes {
            for ours in [OURS, OURS_URING] {
                goals.extend(ratio_goal(outcome, ours));
            }
        }
        for (name, crowd) in &self.crowds {
            if let (true, Ok(crowd)) = ([OURS, OURS_URING].contains(name), crowd) {
                goals.push(format!(
                    "{}: {name}: at most {GOAL_BYTES:.0} bytes per idle user: {:.0}",
                    verdict(crowd.idle_bytes <= GOAL_BYTES),
                    crowd.idle_bytes
                ));
            }
        }
        goals
    }
}

/// Against the peer that makes the most deliveries per CPU second.
fn ratio_goal(outcome: &Outcome, ours: &str) -> Option<String> {
    let best = outcome
        .rows
        .iter()
        .filter(|row| !row.peer.is_ours())
        .max_by(|a, b| {
            a.fast
                .efficiency
                .median
                .total_cmp(&b.fast.efficiency.median)
        })?;
    let (_, ratio) = best
        .fast
        .ours_by_it
        .iter()
        .find(|(name, _)| *name == ours)?;
    Some(format!(
        "{}: {}: {ours}: at least {GOAL_RATIO} × the deliveries per CPU second of the best peer, {}: {}",
        verdict(ratio.median >= GOAL_RATIO),
        outcome.scenario.title,
        best.peer.name,
        interval(ratio)
    ))
}

fn verdict(met: bool) -> &'static str {
    match met {
        true => "met",
        false => "**missed**",
    }
}

fn rooms(outcome: &Outcome, plan: &Plan, window: usize) -> String {
    let scenario = &outcome.scenario;
    let mut text = format!(
        "\n## {}\n\n\
         One sender, 64 B, at most {window} messages on the way; {} sittings of {} rounds, two \
         slices of {} ms of each peer in each.\n\nAs fast as the window allows:\n\n{}",
        scenario.title,
        plan.sittings,
        plan.rounds,
        plan.slice_millis,
        table(&outcome.rows, |row| &row.fast)
    );
    text.push_str(&format!(
        "\n{} messages a second, so {} deliveries:\n\n{}",
        scenario.per_second,
        scenario.per_second as usize * scenario.members,
        table(&outcome.rows, |row| &row.paced)
    ));
    text.push_str(&format!("\n{}", syscalls(&outcome.rows)));
    for (name, why) in &outcome.failures {
        text.push_str(&format!("\n{name} failed: {why}\n"));
    }
    text
}

fn table(rows: &[Row], of: impl Fn(&Row) -> &Summary) -> String {
    let mut table = Table::new([
        "peer",
        "deliveries per CPU second",
        "deliveries/s",
        "server's core",
        "clients' core",
        "delivery p50",
        "p99",
        "receipt p50",
        "p99",
        "ours (readiness) × it",
        "ours (io_uring) × it",
    ]);
    for row in rows {
        let it = of(row);
        let latency = |nanos: u64| time(nanos as f64);
        let receipt = |index: usize| it.receipt.map_or("–".to_owned(), |at| latency(at[index]));
        let ours = |name: &str| {
            let found = it.ours_by_it.iter().find(|(ours, _)| *ours == name);
            found.map_or("–".to_owned(), |(_, ratio)| interval(ratio))
        };
        table.row([
            row.peer.name.to_owned(),
            thousands(&it.efficiency),
            format!("{} k", three_digits(it.rate / 1e3)),
            format!("{:.0} %", it.server_share * 100.0),
            format!("{:.0} %", it.load_share * 100.0),
            latency(it.delivery[0]),
            latency(it.delivery[1]),
            receipt(0),
            receipt(1),
            ours(OURS),
            ours(OURS_URING),
        ]);
    }
    table.render()
}

fn syscalls(rows: &[Row]) -> String {
    let mut table = Table::new([
        "peer",
        "system calls per delivery, as fast as the window allows",
    ]);
    for row in rows {
        let cell = match &row.syscalls {
            Err(why) => why.clone(),
            Ok(syscalls) => {
                let named = syscalls.by_name.iter();
                let named: Vec<String> = named
                    .map(|(name, count)| format!("{name} {count:.3}"))
                    .collect();
                format!("{:.3} ({})", syscalls.total, named.join(", "))
            }
        };
        table.row([row.peer.name.to_owned(), cell]);
    }
    table.render()
}

fn crowd_cells(name: &str, crowd: &Crowd) -> [String; 8] {
    let room = |of: &dyn Fn(&crate::chat::scale::Room) -> String| {
        crowd.room.as_ref().map_or("–".to_owned(), of)
    };
    let moment = |of: Option<&Duration>| of.map_or("–".to_owned(), |it| time(nanos(*it)));
    [
        name.to_owned(),
        format!("{:.0}", crowd.idle_bytes),
        room(&|room| format!("{:.0}", room.member_bytes)),
        done(&crowd.connected, crowd.users),
        room(&|room| done(&room.joined, crowd.users)),
        room(&|room| moment(room.heard.get(room.heard.len() / 2))),
        room(&|room| moment(room.heard.last())),
        done(&crowd.back, crowd.users),
    ]
}

fn done(done: &Done, wanted: usize) -> String {
    let elapsed = time(nanos(done.elapsed));
    match done.users < wanted {
        true => format!("{} users, {elapsed}", done.users),
        false => elapsed,
    }
}

fn nanos(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

fn thousands(it: &Estimate) -> String {
    let [median, low, high] = [it.median, it.low, it.high].map(|v| three_digits(v / 1e3));
    format!("{median} k ({low}–{high})")
}

fn interval(it: &Estimate) -> String {
    format!("{:.2} ({:.2}–{:.2})", it.median, it.low, it.high)
}
