//! Scripts that nobody would write: words in any order, damaged lines, numbers at their ends.
//! A script is refused with a text that says where, or it is done; nothing panics or hangs.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use switchboard::sim::{Action, Fault, Host, Simulation};
use switchboard::{Context, Handler, Reactor, Result, Stream};

/// What every line is made of, and some that no line is.
const WORDS: &[&str] = &[
    "at",
    ",",
    "partition",
    "from",
    "to",
    "heal",
    "crash",
    "restart",
    "pause",
    "resume",
    "jump",
    "the",
    "clock",
    "of",
    "by",
    "-",
    "reset",
    "half-open",
    "set",
    "latency",
    "bandwidth",
    "for",
    "and",
    "on",
    "{a}",
    "{b}",
    "{a, b}",
    "{}",
    "{",
    "}",
    "{c}",
    "s",
    "ms",
    "us",
    "µs",
    "ns",
    "min",
    "h",
    "\n",
    ";",
    "#",
    "é",
    "\u{202e}",
    "\0",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "0.5",
    "3",
    "1e3",
    "-1",
    "NaN",
    "inf",
    "1000000000000",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1.7976931348623157e308",
    ".",
    "0.0000001",
];

/// Lines that are understood.
const LINES: &[&str] = &[
    "at 1 s, partition {a} from {b} for 500 ms",
    "at 1.5 s, partition {a, b} to {b}",
    "at 2 s, heal",
    "at 2 s, crash {a} for 1 s",
    "at 3 s, restart {a}",
    "at 1 s, pause {b} for 10 ms",
    "at 2 s, resume {b}",
    "at 1 min, jump the clock of {a} by -5 s",
    "at 0 s, reset {a} and {b}",
    "at 4 s, half-open {a} and {b}",
    "at 1 ms, set loss to 0.5 on {a} for 2 s",
    "at 1 ms, set crash to 30 for 20 s",
    "at 5 s, latency 1 ms to 20 ms",
    "at 5 s, bandwidth 1000",
];

struct Echo;

impl Handler<()> for Echo {
    fn handle_accepted(&mut self, (): &mut (), cx: &mut Context<'_, ()>, stream: Stream) -> Result {
        cx.register(stream, Echo).map(drop)
    }

    fn handle_connect(&mut self, (): &mut (), cx: &mut Context<'_, ()>) -> Result {
        cx.send("ping")
    }

    fn handle_read(&mut self, (): &mut (), cx: &mut Context<'_, ()>) -> Result {
        let data = cx.recv(100);
        cx.send(data)
    }
}

fn build() -> (Simulation, Host<()>, Host<()>) {
    let mut sim = Simulation::new(11);
    let listen = |reactor: &mut Reactor<()>| reactor.listen("0.0.0.0:80", Echo).map(drop);
    let connect = |reactor: &mut Reactor<()>| reactor.connect("a:80", Echo).map(drop);
    let a = sim.host("a", || (), listen).expect("it starts");
    let b = sim.host("b", || (), connect).expect("it starts");
    (sim, a, b)
}

fn any_words() -> impl Strategy<Value = String> {
    let faults: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    let word = prop_oneof![
        6 => select(WORDS),
        3 => select(NUMBERS),
        1 => select(faults),
    ];
    prop::collection::vec(word, 0..20).prop_map(|words| words.join(" "))
}

/// Some lines, of which some bytes were cut out, doubled, or replaced by a number or a word.
fn damaged_lines() -> impl Strategy<Value = String> {
    let lines = prop::collection::vec(select(LINES), 1..4);
    let new = prop_oneof![select(NUMBERS), select(WORDS), Just("")];
    let damage = prop::collection::vec((any::<Index>(), 0..4usize, new), 0..4);
    (lines, damage).prop_map(|(lines, damage)| {
        let mut text: Vec<char> = lines.join("\n").chars().collect();
        for (at, length, new) in damage {
            let start = at.index(text.len() + 1);
            let end = (start + length).min(text.len());
            text.splice(start..end, new.chars());
        }
        text.into_iter().collect()
    })
}

/// One whole number in a good line is another one: it has meaning, and may be out of all bounds.
fn strange_numbers() -> impl Strategy<Value = String> {
    (select(LINES), any::<Index>(), select(NUMBERS)).prop_map(|(line, which, new)| {
        let words: Vec<&str> = line.split(' ').collect();
        let is_number = |word: &&str| word.parse::<f64>().is_ok();
        let numbers: Vec<usize> = (0..words.len())
            .filter(|at| is_number(&words[*at]))
            .collect();
        let mut words = words;
        words[numbers[which.index(numbers.len())]] = new;
        words.join(" ")
    })
}

fn is_refused_or_done(script: &str) -> std::result::Result<(), TestCaseError> {
    let (mut sim, ..) = build();
    if let Err(error) = sim.script(script) {
        let text = error.to_string();
        prop_assert!(text.starts_with("in the script, "), "{text}");
        prop_assert_eq!(sim.counts(), build().0.counts(), "nothing of it is done");
        return Ok(());
    }
    let ended = sim.run_for(Duration::from_secs(10));
    prop_assert!(ended.is_ok(), "{ended:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None, // what was found has a case in `scripts.rs`
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_words_are_refused_or_done(script in any_words()) {
        is_refused_or_done(&script)?;
    }

    #[test]
    fn damaged_lines_are_refused_or_done(script in damaged_lines()) {
        is_refused_or_done(&script)?;
    }

    #[test]
    fn strange_numbers_are_refused_or_done(script in strange_numbers()) {
        is_refused_or_done(&script)?;
    }

    #[test]
    fn any_text_is_refused_or_done(script in any::<String>()) {
        is_refused_or_done(&script)?;
    }

    /// What a script says is what is done, to the nanosecond.
    #[test]
    fn a_described_action_is_read_as_the_same(
        kind in 0..7usize,
        nanos in 0..=u64::MAX,
        rate in 0.0..=1.0f64,
        fault in select(&Fault::ALL[..]),
        both_ways: bool,
    ) {
        let (mut sim, a, b) = build();
        let (a, b) = (a.id(), b.id());
        let time = Duration::from_nanos(nanos / 2);
        let lasting = both_ways.then_some(time);
        let action = match kind {
            0 => Action::Partition { from: vec![a, b], to: vec![b], both_ways, lasting },
            1 => Action::Crash { host: a, lasting },
            2 => Action::Pause { host: b, lasting },
            3 => Action::ClockJump { host: a, nanos: nanos as i64 },
            4 => Action::Set { fault, rate, host: both_ways.then_some(b), lasting },
            5 => Action::Latency(Duration::from_nanos(nanos / 3)..time),
            _ => Action::Bandwidth(Some(nanos.max(1))),
        };
        let told = |sim: &Simulation| -> Vec<String> {
            let story = sim.story();
            let lines = story.lines().filter_map(|line| line.split_once("script "));
            lines.map(|(_, action)| action.trim().to_owned()).collect()
        };
        sim.act(action).expect("it can be done");
        let first = told(&sim);
        prop_assert_eq!(first.len(), 1);
        let (mut again, ..) = build();
        again.script(&format!("at 0 s, {}", first[0])).expect("it was described");
        again.run_until(|sim| !told(sim).is_empty()).expect("it is done");
        prop_assert_eq!(told(&again), first);
    }
}
