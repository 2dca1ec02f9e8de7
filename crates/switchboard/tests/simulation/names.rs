//! Names in the simulation: how often they are looked up, for how long an answer holds, and who is
//! told.

use std::net::SocketAddr;
use std::time::Duration;

use switchboard::sim::{Faults, Host, Simulation};
use switchboard::{
    Builder, Close, Context, Done, Error, Handler, JobId, Reactor, Result, Time, TimerId, Token,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const LOOKUP: Duration = Duration::from_millis(5);

/// What was told, and when, in microseconds.
type Told = Vec<(Time, String)>;

/// Asks for a name when its timer is due, and connects when it is told.
struct Asks {
    name: &'static str,
    job: Option<JobId>,
}

impl Handler<Told> for Asks {
    fn handle_timer(&mut self, _: &mut Told, cx: &mut Context<'_, Told>, _: TimerId) -> Result {
        self.job = Some(cx.resolve(self.name)?);
        Ok(())
    }

    fn handle_done(&mut self, told: &mut Told, cx: &mut Context<'_, Told>, done: Done) -> Result {
        assert_eq!(Some(done.job), self.job.take());
        told.push((
            cx.now(),
            match done.take::<Vec<SocketAddr>>() {
                Ok(addresses) => format!("{addresses:?}"),
                Err(Error::Io(error)) => error.to_string(),
                Err(error) => return Err(error),
            },
        ));
        Ok(())
    }

    fn handle_signal(&mut self, _: &mut Told, _: &mut Context<'_, Told>, _: i32) -> Result {
        Ok(())
    }

    fn handle_close(&mut self, told: &mut Told, cx: &mut Context<'_, Told>, why: &Close) {
        told.push((cx.now(), format!("closed: {why}")));
    }
}

struct Scene {
    sim: Simulation,
    host: Host<Told>,
}

impl Scene {
    fn new() -> Scene {
        Scene::with(Reactor::builder())
    }

    fn with(builder: Builder) -> Scene {
        let mut sim = Simulation::new(1);
        sim.faults(Faults::none().job_time(LOOKUP..LOOKUP));
        sim.addresses("server");
        let host = sim.host_with("asker", builder, Vec::new, |_| Ok(()));
        let host = host.expect("it starts");
        Scene { sim, host }
    }

    fn ask(&mut self, name: &'static str) -> Token {
        let token = self.sim.with(self.host, |_, cx| {
            let handler = Asks { name, job: None };
            let token = cx.signals(&[switchboard::signal::SIGHUP], handler)?;
            cx.set_source_timer(token, Duration::ZERO).map(|_| token)
        });
        token.expect("there is room")
    }

    fn pass(&mut self, time: Duration) {
        self.sim.run_for(time).expect("all goes well");
    }

    /// Asks, and gives what it was told and how long that took.
    fn answer(&mut self, name: &'static str) -> (String, Duration) {
        let begin = self.sim.now();
        let before = self.sim.state(self.host).len();
        self.ask(name);
        self.pass(ms(50));
        let told = &self.sim.state(self.host)[before..];
        assert_eq!(told.len(), 1, "{told:?}");
        (told[0].1.clone(), told[0].0 - begin)
    }

    fn lookups(&self) -> usize {
        let story = self.sim.story();
        story
            .lines()
            .filter(|line| line.contains(" resolved "))
            .count()
    }
}

#[test]
fn an_answer_is_given_to_who_asks_soon_after() {
    let mut scene = Scene::new();
    let (text, took) = scene.answer("server:80");
    assert_eq!(text, "[10.0.0.1:80]");
    assert!(took >= LOOKUP, "{took:?}");
    // Another port of the same name.
    let (text, took) = scene.answer("server:81");
    assert_eq!(text, "[10.0.0.1:81]");
    assert!(took < ms(2), "{took:?}");
    assert_eq!(scene.lookups(), 1);
    // It has moved: that is seen when the answer is a second old.
    let [_, v6] = scene.sim.addresses("server");
    scene.sim.name("server", &[v6]);
    assert_eq!(scene.answer("server:80").0, "[10.0.0.1:80]");
    scene.pass(ms(1000));
    let (text, took) = scene.answer("server:80");
    assert_eq!(text, "[[fd00::1]:80]");
    assert!(took >= LOOKUP, "{took:?}");
    assert_eq!(scene.lookups(), 2);
}

#[test]
fn that_a_name_is_unknown_holds_as_long() {
    let mut scene = Scene::new();
    let (text, took) = scene.answer("nobody:80");
    assert!(text.contains("cannot find the host \"nobody\""), "{text}");
    assert!(took >= LOOKUP);
    scene.sim.addresses("nobody");
    let (text, took) = scene.answer("nobody:80");
    assert!(text.contains("cannot find the host"), "{text}");
    assert!(took < ms(2), "{took:?}");
    scene.pass(ms(1000));
    assert_eq!(scene.answer("nobody:80").0, "[10.0.0.3:80]");
}

#[test]
fn the_time_that_answers_are_kept_can_be_set() {
    let mut forgetful = Scene::with(Reactor::builder().keep_names(Duration::ZERO));
    let mut patient = Scene::with(Reactor::builder().keep_names(ms(60_000)));
    for _ in 0..3 {
        forgetful.answer("server:80");
        patient.answer("server:80");
        patient.pass(ms(10_000));
    }
    assert_eq!(forgetful.lookups(), 3);
    assert_eq!(patient.lookups(), 1);
}

#[test]
fn many_that_ask_at_once_are_told_by_one_look_up() {
    let mut scene = Scene::with(Reactor::builder().keep_names(Duration::ZERO));
    for _ in 0..100 {
        scene.ask("server:80");
    }
    scene.pass(ms(20));
    assert_eq!(scene.sim.state(scene.host).len(), 100);
    assert_eq!(scene.lookups(), 1);
}

#[test]
fn two_names_are_looked_up_at_once_and_the_others_wait() {
    let mut scene = Scene::new();
    for name in ["a:1", "b:1", "c:1", "d:1", "e:1"] {
        scene.ask(name);
    }
    scene.pass(ms(50));
    let told = scene.sim.state(scene.host);
    let rounds: Vec<u128> = told
        .iter()
        .map(|(at, _)| (*at - Time::ZERO).as_millis() / LOOKUP.as_millis())
        .collect();
    assert_eq!(rounds, [1, 1, 2, 2, 3], "{told:?}");
}

#[test]
fn what_needs_no_look_up_is_told_all_the_same_in_a_call_of_its_own() {
    let mut scene = Scene::new();
    assert_eq!(scene.answer("[::1]:7").0, "[[::1]:7]");
    assert_eq!(scene.answer("localhost:7").0, "[127.0.0.1:7, [::1]:7]");
    assert_eq!(scene.lookups(), 0);
}

/// What was not begun never begins; what was begun tells nobody.
#[test]
fn a_source_that_ends_is_not_told() {
    let mut scene = Scene::new();
    let tokens = ["a:1", "b:1", "c:1"].map(|name| scene.ask(name));
    scene.pass(ms(2));
    scene.sim.with(scene.host, |_, cx| {
        for token in tokens {
            cx.close_source(token);
        }
    });
    scene.pass(ms(50));
    let told = scene.sim.state(scene.host);
    assert!(
        told.iter().all(|(_, text)| text == "closed: closed"),
        "{told:?}"
    );
    assert_eq!(told.len(), 3);
    assert_eq!(scene.lookups(), 2);
}

/// A connect waits for the same look-up as a job, and the bound counts names.
#[test]
fn at_the_bound_a_further_name_is_refused() {
    let mut scene = Scene::with(Reactor::builder().max_jobs(2));
    scene.ask("a:1");
    scene.ask("b:1");
    scene.pass(ms(1));
    let connected = scene.sim.with(scene.host, |_, cx| {
        cx.connect(
            "c:1",
            Asks {
                name: "",
                job: None,
            },
        )
    });
    connected.expect("it is told later");
    scene.pass(ms(1));
    let told = scene.sim.state(scene.host);
    assert_eq!(told.len(), 1);
    let expected = "closed: cannot connect: the limit of 2 jobs under way is reached";
    assert!(told[0].1.starts_with(expected), "{told:?}");
    scene.pass(ms(50));
    assert_eq!(scene.sim.state(scene.host).len(), 3);
}
