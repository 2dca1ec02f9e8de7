//! Races for names, and names of others.

use std::collections::HashSet;
use std::sync::{Arc, Barrier};
use std::thread;

use crate::peer::Peer;
use crate::town::{Town, until};

#[test]
fn of_all_that_want_one_nick_at_once_one_gets_it() {
    const RIVALS: usize = 8;
    const ROUNDS: usize = 10;
    let town = Town::start(&[]);
    let start = Arc::new(Barrier::new(RIVALS));
    let rivals = (0..RIVALS).map(|rival| {
        let (start, address) = (Arc::clone(&start), town.address.clone());
        thread::spawn(move || {
            let mut won = 0;
            let mut peers = Vec::new();
            for round in 0..ROUNDS {
                let mut peer = Peer::connect(&address);
                start.wait();
                // In every spelling that means the same name.
                let nick = match rival % 2 {
                    0 => format!("prize{round}"),
                    _ => format!("PRIZE{round}"),
                };
                peer.say(format!("NICK {nick}\r\nUSER a 0 * :a\r\n"));
                let told = peer.hear_line();
                if told.contains(" 001 ") {
                    won += 1;
                } else {
                    assert!(told.contains(" 433 "), "{told}");
                    // It can still come in under another one.
                    peer.say(format!("NICK rival{rival}-{round}\r\n"));
                    peer.hear_line_with(" 001 ");
                }
                peers.push(peer);
                start.wait();
            }
            (won, peers)
        })
    });
    let rivals: Vec<_> = rivals.collect();
    let mut won = 0;
    let mut peers = Vec::new();
    for rival in rivals {
        let (prizes, own) = rival.join().expect("it has not failed");
        won += prizes;
        peers.extend(own);
    }
    assert_eq!(won, ROUNDS, "each nick is one client's");
    // Nobody was cut off: the losers are users, too.
    for peer in &mut peers {
        peer.settle();
    }
    drop(peers);
    town.end();
}

#[test]
fn a_nick_that_goes_back_and_forth_is_never_two_clients() {
    let town = Town::start(&["--rate", "1000"]);
    let mut witness = Peer::irc(&town.address, "witness", "");
    witness.join("#company");
    let mut pair = ["left", "right"].map(|name| {
        let mut peer = Peer::irc(&town.address, name, "standard-replies");
        peer.join("#company");
        peer
    });
    witness.settle();
    for peer in &mut pair {
        peer.say("NICK ball\r\nNICK other\r\n".repeat(100));
    }
    let (mut renamed, mut limited) = (0, 0);
    for peer in &mut pair {
        for line in peer.settle() {
            renamed += usize::from(line.contains(" NICK "));
            limited += usize::from(line.contains("RATE_LIMITED"));
        }
    }
    assert!(renamed > 0 && limited > 0, "{renamed} {limited}");
    // As the others saw it, each name was free when it was taken.
    let mut names: HashSet<String> = ["left", "right", "witness"].map(str::to_owned).into();
    for line in witness.settle() {
        let Some((source, nick)) = line.split_once(" NICK ") else {
            continue;
        };
        let from = source[1..].split('!').next().expect("a nick");
        let to = nick.trim_start_matches(':');
        assert!(names.remove(from), "{line}: there is no {from}");
        assert!(names.insert(to.to_owned()), "{line}: {to} is taken");
    }
    assert_eq!(names.len(), 3);
    drop(pair);
    drop(witness);
    town.end();
}

#[test]
fn the_nick_of_who_is_there_is_not_to_be_had_and_of_who_has_gone_it_is() {
    let town = Town::start(&[]);
    let mut thief = Peer::irc(&town.address, "thief", "");
    for spelling in [
        "good-sender",
        "GOOD-SENDER",
        "Good-Reader",
        "good-browser",
        "ｇｏｏｄ-sender", // letters of full width
    ] {
        thief.say(format!("NICK {spelling}\r\n"));
        let told = thief.settle();
        let refused = told.iter().any(|line| {
            [" 432 ", " 433 "]
                .iter()
                .any(|numeric| line.contains(numeric))
        });
        assert!(refused, "{spelling}: {told:?}");
    }
    let owner = Peer::irc(&town.address, "short-lived", "");
    drop(owner);
    until("the nick is free", || {
        thief.say("NICK short-lived\r\n");
        let told = thief.settle();
        let is_free = told.iter().any(|line| line.contains(" NICK "));
        // The server may not have seen yet that the owner has gone.
        let is_held = told.iter().all(|line| line.contains(" 433 "));
        assert!(is_free || is_held, "{told:?}");
        is_free
    });
    drop(thief);
    town.end();
}
