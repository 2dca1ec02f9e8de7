//! Each fault happens, is counted, and is survived by a program that takes care.

use std::time::Duration;

use switchboard::sim::{Fault, Faults};

use crate::chat;
#[cfg(unix)]
use crate::{datagrams, disks};

/// Runs a chat under faults for a while, and then without: everybody must get all answers.
/// Gives how often `fault` has happened.
fn survive(seed: u64, faults: Faults, fault: Fault) -> u64 {
    let (mut sim, hosts) = chat::build(seed, 3, 4);
    sim.faults(faults);
    sim.run_for(Duration::from_secs(30)).expect("all goes well");
    sim.faults(Faults::none());
    // Whoever waits longest: for the power to come back, and for a sender to try again.
    sim.run_for(Duration::from_secs(60)).expect("all goes well");
    for host in &hosts[1..] {
        let answers = sim.state(*host).answers;
        assert!(
            answers >= 4,
            "seed {seed}, {fault}: {answers} answers\n{}",
            sim.story()
        );
    }
    sim.counts().of(fault)
}

#[track_caller]
fn happens_and_is_survived(fault: Fault, rate: f64) {
    let mut faults = Faults::none().with(fault, rate);
    if fault == Fault::Flush {
        faults = faults.with(Fault::Reset, 0.05);
    }
    let happened: u64 = (0..50)
        .map(|seed| survive(seed, faults.clone(), fault))
        .sum();
    assert!(happened >= 10, "{fault} happened {happened} times");
}

macro_rules! each_fault {
    ($($name:ident: $fault:ident $rate:literal;)*) => {
        $(#[test]
        fn $name() {
            happens_and_is_survived(Fault::$fault, $rate);
        })*

        #[cfg(unix)] // elsewhere some of the tests are missing
        #[test]
        fn every_fault_has_a_test() {
            let tested = [$(Fault::$fault),*];
            for fault in Fault::ALL {
                let elsewhere = [&datagrams::TESTED, &disks::TESTED];
                let is_tested = tested.contains(&fault)
                    || elsewhere.into_iter().any(|tested| tested.contains(&fault));
                assert!(is_tested, "{fault} has none");
            }
        }
    };
}

each_fault! {
    segments_are_split: Split 0.3;
    segments_are_merged: Merge 0.3;
    packets_are_late: Delay 0.2;
    packets_are_lost: Loss 0.1;
    writes_are_short: ShortWrite 0.3;
    buffers_are_full: FullBuffer 0.3;
    connections_are_narrow: Narrow 0.5;
    connections_are_reset: Reset 0.02;
    resets_flush_what_has_arrived: Flush 1.0;
    connections_are_half_open: HalfOpen 0.02;
    connects_are_refused: Refuse 0.3;
    connects_are_unanswered: Unanswered 0.3;
    descriptors_run_out: NoDescriptors 0.3;
    accepts_are_aborted: AbortedAccept 0.3;
    networks_are_parted: Partition 4.0;
    networks_are_parted_one_way: OneWay 4.0;
    clocks_jump: ClockJump 4.0;
    handlers_are_slow: SlowHandler 0.3;
    hosts_pause: Pause 4.0;
    hosts_crash: Crash 4.0;
}

/// With everything at once.
#[test]
fn all_faults_together_are_survived() {
    let ms = Duration::from_millis;
    let mut faults = Faults::none().latency(ms(1)..ms(30));
    for fault in Fault::ALL {
        let is_of_hosts = matches!(
            fault,
            Fault::Partition | Fault::OneWay | Fault::ClockJump | Fault::Pause | Fault::Crash
        );
        faults = faults.with(fault, if is_of_hosts { 1.0 } else { 0.02 });
    }
    for seed in 0..100 {
        survive(seed, faults.clone(), Fault::Split);
    }
}
