//! The bookkeeping of look-ups: what is asked once, given back, kept and let go.

use super::*;

fn token(slot: u32) -> Token {
    Token {
        slot,
        generation: 0,
    }
}

fn waiter(slot: u32, asked: Asked) -> Waiter {
    Waiter {
        token: token(slot),
        port: 80,
        asked,
    }
}

fn at(millis: u64) -> Time {
    Time::ZERO + Duration::from_millis(millis)
}

const KEEP: Duration = Duration::from_secs(1);

fn found() -> Addresses {
    Ok(vec![([10, 0, 0, 1], 0).into()])
}

impl Names {
    fn ask(&mut self, host: &str, slot: u32) -> Result {
        self.wait(host.to_owned(), waiter(slot, Asked::Attempt))
    }

    fn begun(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.begin())
            .map(|(_, host)| host)
            .collect()
    }

    fn is_empty(&self) -> bool {
        self.lookups.is_empty() && self.waits.is_empty() && self.queue.is_empty() && self.jobs == 0
    }
}

#[test]
fn equal_names_are_looked_up_once_and_two_at_a_time() {
    let mut names = Names::new(10, KEEP);
    for (host, slot) in [("a", 0), ("a", 1), ("b", 2), ("c", 3), ("a", 4)] {
        names.ask(host, slot).expect("there is room");
    }
    assert_eq!(names.begun(), ["a", "b"]);
    let told: Vec<u32> = names.end("a").iter().map(|w| w.token.slot).collect();
    assert_eq!(told, [0, 1, 4]);
    assert_eq!(names.begun(), ["c"]);
    assert!(names.begun().is_empty());
    names.end("b");
    names.end("c");
    assert!(names.is_empty());
    assert_eq!(names.under_way, 0);
}

#[test]
fn a_source_that_ends_gives_its_place_in_the_queue_back() {
    let mut names = Names::new(3, KEEP);
    for (host, slot) in [("a", 0), ("b", 1), ("c", 2)] {
        names.ask(host, slot).expect("there is room");
    }
    assert_eq!(names.begun(), ["a", "b"]);
    let full = names.ask("d", 3);
    assert!(matches!(full, Err(Error::TooManyJobs { limit: 3 })));
    names.ask("c", 4).expect("it is being looked up already");
    names.forget(token(2));
    names.ask("d", 3).expect_err("`c` is still wanted");
    names.forget(token(4));
    names.ask("d", 3).expect("there is room again");
    // What has begun cannot be taken back: it ends, and nobody is told.
    names.forget(token(0));
    assert!(names.end("a").is_empty());
    assert_eq!(names.begun(), ["d"]);
    for slot in [1, 3] {
        names.forget(token(slot));
    }
    // Who asks now gets what has begun for others.
    names.ask("b", 5).expect("there is room");
    assert!(names.begun().is_empty());
    assert_eq!(names.end("b").len(), 1);
    assert!(names.end("d").is_empty());
    assert!(names.is_empty());
}

#[test]
fn jobs_that_wait_for_one_name_have_a_bound() {
    let mut names = Names::new(2, KEEP);
    let job = |number| waiter(0, Asked::Job(JobId(number)));
    names.wait("a".to_owned(), job(1)).expect("there is room");
    names.wait("a".to_owned(), job(2)).expect("there is room");
    let full = names.wait("a".to_owned(), job(3));
    assert!(matches!(full, Err(Error::TooManyJobs { limit: 2 })));
    names.ask("a", 1).expect("a source is no job");
    names.forget(token(0));
    names.wait("a".to_owned(), job(4)).expect("there is room");
    assert_eq!(names.begun(), ["a"]);
    assert_eq!(names.end("a").len(), 2);
    assert!(names.is_empty());
}

#[test]
fn an_answer_is_kept_for_as_long_as_it_may_be() {
    let mut names = Names::new(10, KEEP);
    names.keep("a".to_owned(), &found(), at(0));
    let none = Err(io::Error::new(io::ErrorKind::NotFound, "nobody"));
    names.keep("b".to_owned(), &none, at(500));
    let addresses = names.answer("a", at(999)).expect("it is known");
    assert_eq!(addresses.ok(), found().ok());
    assert!(names.answer("a", at(1000)).is_none());
    let error = names.answer("b", at(1499)).expect("it is known");
    assert_eq!(error.expect_err("it is unknown").to_string(), "nobody");
    assert!(names.answer("b", at(1500)).is_none());
    // What is old goes when something new comes.
    names.keep("c".to_owned(), &found(), at(1600));
    assert_eq!(names.answers.len(), 1);
    assert_eq!(names.answered, ["c"]);

    let mut forgetful = Names::new(10, Duration::ZERO);
    forgetful.keep("a".to_owned(), &found(), at(0));
    assert!(forgetful.answer("a", at(0)).is_none());
}

#[test]
fn the_oldest_answer_makes_room() {
    let mut names = Names::new(10, KEEP);
    for number in 0..MAX_ANSWERS + 2 {
        names.keep(number.to_string(), &found(), at(0));
    }
    assert_eq!(names.answers.len(), MAX_ANSWERS);
    assert_eq!(names.answered.len(), MAX_ANSWERS);
    assert!(names.answer("1", at(1)).is_none());
    assert!(names.answer("2", at(1)).is_some());
}
