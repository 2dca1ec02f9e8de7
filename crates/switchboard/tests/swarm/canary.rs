//! A bug planted on purpose, which a swarm has to find: the reply buffer of the asyncore tutorial,
//! which the second message overwrites. If it is not found, the swarm looks at nothing.

use std::time::Duration;

use switchboard::sim::{Fault, Faults, Simulation, Swarm};
use switchboard::{Context, Handler, Result, Stream, TimerId};

/// Sends back what it gets, a moment later.
struct Server {
    overwrites: bool,
    reply: Vec<u8>,
}

impl Server {
    fn new(overwrites: bool) -> Server {
        let reply = Vec::new();
        Server { overwrites, reply }
    }
}

impl Handler<()> for Server {
    fn handle_accepted(&mut self, _: &mut (), cx: &mut Context<'_, ()>, stream: Stream) -> Result {
        cx.register(stream, Server::new(self.overwrites)).map(drop)
    }

    fn handle_read(&mut self, _: &mut (), cx: &mut Context<'_, ()>) -> Result {
        if self.overwrites {
            self.reply.clear();
        }
        self.reply.extend_from_slice(cx.recv(8192));
        cx.set_timer(Duration::from_millis(1)).map(drop)
    }

    fn handle_timer(&mut self, _: &mut (), cx: &mut Context<'_, ()>, _: TimerId) -> Result {
        cx.send(std::mem::take(&mut self.reply))
    }
}

struct Client;

impl Handler<Vec<u8>> for Client {
    fn handle_connect(&mut self, _: &mut Vec<u8>, cx: &mut Context<'_, Vec<u8>>) -> Result {
        for after in [0, 20] {
            cx.set_timer(Duration::from_millis(after))?;
        }
        Ok(())
    }

    fn handle_timer(
        &mut self,
        _: &mut Vec<u8>,
        cx: &mut Context<'_, Vec<u8>>,
        _: TimerId,
    ) -> Result {
        cx.send("message ")
    }

    fn handle_read(&mut self, got: &mut Vec<u8>, cx: &mut Context<'_, Vec<u8>>) -> Result {
        got.extend_from_slice(cx.recv(8192));
        Ok(())
    }
}

fn chat(sim: &mut Simulation, overwrites: bool) -> Result {
    sim.host(
        "server",
        || (),
        move |reactor| {
            let server = Server::new(overwrites);
            reactor.listen("0.0.0.0:8080", server).map(drop)
        },
    )?;
    let client = sim.host("client", Vec::new, |reactor| {
        reactor.connect("server:8080", Client).map(drop)
    })?;
    sim.run_for(Duration::from_secs(60))?;
    assert_eq!(
        sim.state(client).escape_ascii().to_string(),
        "message message "
    );
    Ok(())
}

/// What does not end connections: then a lost reply is nobody's fault but the server's.
const GENTLE: [Fault; 7] = [
    Fault::Split,
    Fault::Merge,
    Fault::Delay,
    Fault::Loss,
    Fault::ShortWrite,
    Fault::FullBuffer,
    Fault::SlowHandler,
];

fn swarm(name: &str) -> Swarm {
    Swarm::new(name).only(&GENTLE)
}

/// Whether the environment asks for something else than this file's swarms say.
fn is_overridden() -> bool {
    let mut variables = ["SEED", "SEEDS", "SECONDS", "WITHOUT"].into_iter();
    variables.any(|name| std::env::var_os(format!("SWITCHBOARD_{name}")).is_some())
}

#[test]
fn the_planted_bug_is_found_and_shrunk() {
    if is_overridden() {
        return; // the canary of this very run is the next one
    }
    let name = "the_planted_bug_is_found_and_shrunk";
    let failure = swarm(name)
        .run(|sim| chat(sim, true))
        .expect_err("the swarm has to find the planted bug");

    // It is the smallest seed, whichever thread was faster.
    let again = swarm(name).run(|sim| chat(sim, true)).unwrap_err();
    assert_eq!(again.seed(), failure.seed());
    assert_eq!(again.log_hash(), failure.log_hash());
    let before = swarm(name).seeds(failure.seed()).run(|sim| chat(sim, true));
    assert!(before.is_ok(), "{before:?}");

    // Nothing that is left can be left out.
    for fault in failure.left().active() {
        assert_eq!(failure.left().rate(fault), failure.mix().rate(fault));
        assert!(GENTLE.contains(&fault), "{fault}");
    }
    let mut sim = Simulation::new(failure.seed());
    sim.faults(failure.left().clone());
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| chat(&mut sim, true)));
    assert!(outcome.is_err(), "what is left is enough to fail");
    assert_eq!(sim.log_hash(), failure.log_hash());
    for fault in failure.left().active().collect::<Vec<_>>() {
        let less = failure.left().clone().without(fault);
        let mut sim = Simulation::new(failure.seed());
        sim.faults(less);
        assert!(chat(&mut sim, true).is_ok(), "{fault} is not needed");
    }

    let text = failure.to_string();
    let command = format!("SWITCHBOARD_SEED={} cargo test {name}", failure.seed());
    assert!(text.contains(&command), "{text}");
    assert!(text.contains("SWITCHBOARD_WITHOUT="), "{text}");
    assert!(text.contains("message message "), "{text}");
    assert!(text.contains("canary.rs:"), "the place is told: {text}");
    assert!(failure.story().contains("received"), "{text}");
}

#[test]
fn the_canary_is_found() {
    if std::env::var_os("SWITCHBOARD_SEED").is_some() {
        return; // one seed of another test need not find it
    }
    let failure = swarm("the_canary_is_found").run(|sim| chat(sim, true));
    assert!(failure.is_err(), "the swarm has to find the planted bug");
}

/// Fails if a seed is asked for that shows the bug: run by the next test.
#[test]
fn one_seed() {
    if std::env::var_os("SWITCHBOARD_SEED").is_some() {
        swarm("one_seed").check(|sim| chat(sim, true));
    }
}

#[test]
fn a_failure_says_how_to_run_it_again() {
    if is_overridden() {
        return;
    }
    let failure = swarm("one_seed").run(|sim| chat(sim, true));
    let failure = failure.expect_err("the swarm has to find the planted bug");
    let text = failure.to_string();
    let mut commands = text.lines().filter_map(|line| line.split_once("again: "));
    let shortest = commands
        .next_back()
        .expect("there is one for what is left")
        .1;
    let mut words = shortest.split(' ');
    let variables = words.by_ref().take_while(|word| *word != "cargo");
    let variables: Vec<_> = variables.filter_map(|word| word.split_once('=')).collect();
    assert_eq!(words.collect::<Vec<_>>(), ["test", "one_seed"]);

    let program = std::env::current_exe().expect("the test runs");
    let output = std::process::Command::new(program)
        .arg("one_seed")
        .envs(variables)
        .output()
        .expect("the test can be run");
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    assert!(!output.status.success(), "{printed}");
    assert!(
        printed.contains(failure.story()),
        "the whole story: {printed}"
    );
    let hash = format!("log {:032x}", failure.log_hash());
    assert!(printed.contains(&hash), "{printed}");
}

#[test]
fn nothing_is_found_in_a_server_without_the_bug() {
    let name = "nothing_is_found_in_a_server_without_the_bug";
    let passed = swarm(name).check(|sim| chat(sim, false));
    if !is_overridden() {
        assert_eq!(passed.seeds, 200);
        let again = swarm(name).check(|sim| chat(sim, false));
        assert_eq!(again.digest, passed.digest, "the threads must not matter");
        for fault in GENTLE {
            assert!(passed.counts.of(fault) > 0, "{fault} has not happened");
        }
        assert_eq!(passed.counts.of(Fault::Reset), 0);
    }
}

#[test]
fn a_survey_finds_all_seeds_that_fail() {
    let swarm = swarm("a_survey_finds_all_seeds_that_fail").seeds(100);
    let failed = swarm.survey(|sim| chat(sim, true));
    let one_by_one = (0..100).filter(|seed| {
        let one = swarm.clone().from_seed(*seed).seeds(1);
        !one.survey(|sim| chat(sim, true)).is_empty()
    });
    assert_eq!(failed, one_by_one.collect::<Vec<_>>());
    assert!(failed.len() > 1 && failed.len() < 100, "{failed:?}");
}

#[test]
fn a_swarm_ends_when_its_time_is_over() {
    let swarm = Swarm::new("a_swarm_ends_when_its_time_is_over");
    let passed = swarm.time(Duration::from_millis(50)).check(|_| Ok(()));
    assert!(passed.seeds > 0);
}

#[test]
fn a_swarm_has_the_faults_of_its_seed() {
    let swarm = Swarm::new("a_swarm_has_the_faults_of_its_seed").from_seed(7);
    let passed = swarm.seeds(3).without(Fault::Crash).check(|sim| {
        let expected = Faults::drawn(sim.seed()).without(Fault::Crash);
        assert_eq!(sim.current_faults(), expected);
        Ok(())
    });
    assert!(passed.seeds > 0);
}
