//! The example of a simulated chat, from outside: what it finds, says and returns.

use std::process::Output;
use std::time::{Duration, Instant};

use examples::example;

#[path = "tutorial/examples.rs"]
mod examples;

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = example("simulated_chat");
    for variable in ["SEED", "SEEDS", "SECONDS", "WITHOUT"] {
        command.env_remove(format!("SWITCHBOARD_{variable}"));
    }
    let output = command.args(arguments).output().expect("it can be run");
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn it_finds_the_bug_within_a_second_and_again() {
    let start = Instant::now();
    let (code, first, _) = run(&[]);
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(code, Some(0), "{first}");
    let last = first.lines().last().expect("it says something");
    assert!(last.starts_with("The hash of the log: "), "{last}");
    assert!(first.contains("was never answered"), "{first}");
    let again = first.split_once("--seed ").expect("it says which seed").1;
    let seed = again.lines().next().expect("it names it");
    let (code, second, _) = run(&["--seed", seed]);
    assert_eq!((code, second), (Some(0), first));
}

#[test]
fn it_says_when_a_seed_does_not_show_the_bug() {
    let codes: Vec<_> = (0..5)
        .map(|seed| run(&["--seed", &seed.to_string()]))
        .collect();
    let (_, text, _) = codes
        .iter()
        .find(|(code, ..)| *code == Some(1))
        .expect("one is calm");
    assert!(
        text.starts_with("All lines were answered in 1 simulations."),
        "{text}"
    );
}

#[test]
fn it_helps() {
    let (code, text, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("usage: simulated_chat [--seed N]"), "{text}");
    for wrong in [&["--sed", "1"][..], &["--seed"], &["--seed", "x"]] {
        let (code, _, text) = run(wrong);
        assert_eq!(code, Some(2), "{wrong:?}");
        assert!(text.contains("usage: simulated_chat [--seed N]"), "{text}");
    }
}
