//! The same seed is the same run, byte for byte, and no other seed is.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use switchboard::sim::{Fault, Faults};

use crate::chat;

fn rough() -> Faults {
    let ms = Duration::from_millis;
    Faults::none()
        .latency(ms(1)..ms(20))
        .with(Fault::Split, 0.2)
        .with(Fault::Merge, 0.1)
        .with(Fault::Loss, 0.02)
        .with(Fault::ShortWrite, 0.1)
        .with(Fault::Reset, 0.01)
}

fn run(seed: u64, questions: usize) -> (u128, usize) {
    let (mut sim, hosts) = chat::build(seed, 3, questions);
    sim.faults(rough());
    sim.run_for(Duration::from_secs(20)).expect("all goes well");
    let answers = hosts.iter().map(|host| sim.state(*host).answers).sum();
    (sim.log_hash(), answers)
}

#[test]
fn a_thousand_seeds_run_twice_give_the_same_logs() {
    let mut hashes = BTreeSet::new();
    for seed in 0..1000 {
        let (first, answers) = run(seed, 2);
        assert_eq!((first, answers), run(seed, 2), "seed {seed}");
        assert!(answers >= 6, "seed {seed}: {answers} answers");
        hashes.insert(first);
    }
    assert_eq!(hashes.len(), 1000, "different seeds are different runs");
}

/// Run by the next test in processes of their own.
#[test]
fn print_the_hash_of_one_run() {
    println!("hash {:032x}", run(77, 5).0);
}

#[test]
fn two_processes_give_the_same_log() {
    let program = std::env::current_exe().expect("the test runs");
    let hash = || {
        let output = Command::new(&program)
            .args([
                "repeating::print_the_hash_of_one_run",
                "--exact",
                "--nocapture",
            ])
            .output()
            .expect("the test can be run");
        let text = String::from_utf8(output.stdout).expect("it prints text");
        let line = text.lines().find(|line| line.contains("hash "));
        let line = line.expect("it prints the hash");
        line[line.find("hash ").expect("found just now")..].to_owned()
    };
    let first = hash();
    assert_eq!(first, hash());
    assert!(first.contains(&format!("hash {:032x}", run(77, 5).0)));
}

#[test]
fn one_changed_byte_changes_the_hash() {
    let hash_of = |message: &'static [u8]| {
        let mut sim = switchboard::sim::Simulation::new(1);
        chat::add_server(&mut sim);
        let mut socket = sim.dial("far", "server:8080").expect("it is there");
        sim.run_for(Duration::from_secs(1)).expect("all goes well");
        assert_eq!(socket.write(message).expect("there is room"), message.len());
        sim.run_for(Duration::from_secs(1)).expect("all goes well");
        let mut answer = [0; 16];
        assert_eq!(
            socket.read(&mut answer).expect("it was sent"),
            message.len()
        );
        assert_eq!(&answer[..message.len()], message);
        sim.log_hash()
    };
    assert_eq!(hash_of(b"hello"), hash_of(b"hello"));
    assert_ne!(hash_of(b"hello"), hash_of(b"hellp"));
}
