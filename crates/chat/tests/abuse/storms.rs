//! Clients that come and go as fast as they can: in rooms, and on the server.

use std::collections::HashMap;

use crate::peer::Peer;
use crate::town::{Town, until};

/// What one client may do at once before the rate of joins holds it up.
const JOIN_BURST: usize = 100;

#[test]
fn a_storm_of_joins_is_held_up_and_told_in_order() {
    const STORMERS: usize = 6;
    let town = Town::start(&[]);
    let mut witness = Peer::irc(&town.address, "witness", "");
    witness.join("#company");
    witness.settle();
    let names: Vec<String> = (0..STORMERS)
        .map(|number| format!("storm{number}"))
        .collect();
    let mut stormers: Vec<Peer> = names
        .iter()
        .map(|name| Peer::irc(&town.address, name, "standard-replies"))
        .collect();
    for stormer in &mut stormers {
        stormer.say("JOIN #company\r\nPART #company\r\n".repeat(200));
    }
    for (name, stormer) in names.iter().zip(&mut stormers) {
        let told = stormer.settle();
        let own = format!(":{name}!");
        let is_own = |line: &&String| line.starts_with(&own) && line.contains(" JOIN ");
        let joined = told.iter().filter(is_own).count();
        let limited = |line: &&String| line.contains("RATE_LIMITED");
        let limited = told.iter().filter(limited).count();
        assert!((JOIN_BURST..JOIN_BURST + 80).contains(&joined), "{joined}");
        assert!(limited >= 200 - joined, "{limited}");
    }
    // Each of them comes and goes in turns, as others see it.
    let mut inside: HashMap<String, bool> = names.into_iter().map(|name| (name, false)).collect();
    for line in witness.settle() {
        let name = line[1..].split('!').next().unwrap_or_default();
        let Some(is_in) = inside.get_mut(name) else {
            continue;
        };
        let comes = line.contains(" JOIN ");
        assert!(comes || line.contains(" PART "), "{line}");
        assert_ne!(*is_in, comes, "{line}");
        *is_in = comes;
    }
    drop(stormers);
    drop(witness);
    town.end();
}

#[test]
fn nobody_is_in_more_rooms_than_one_user_may_be() {
    let town = Town::start(&[]);
    let mut hoarder = Peer::irc(&town.address, "hoarder", "standard-replies");
    for start in (0..300).step_by(10) {
        let rooms: Vec<String> = (start..start + 10)
            .map(|room| format!("#r{room}"))
            .collect();
        hoarder.say(format!("JOIN {}\r\n", rooms.join(",")));
    }
    let told = hoarder.settle();
    let joined = told.iter().filter(|line| line.contains(" JOIN ")).count();
    assert!((90..=100).contains(&joined), "{joined}");
    let refused = |line: &&String| line.contains(" 405 ") || line.contains("RATE_LIMITED");
    assert!(told.iter().filter(refused).count() >= 200, "{told:?}");
    drop(hoarder);
    town.end();
}

#[test]
fn a_storm_of_connections_leaves_nobody_behind() {
    let town = Town::start(&["--metrics"]);
    for number in 0..100 {
        let mut peer = Peer::connect(&town.address);
        match number % 4 {
            0 => {}
            1 => peer.say("NICK half\r\n"),
            2 => peer.say(format!(
                "NICK n{number}\r\nUSER a 0 * :a\r\nJOIN #company\r\n"
            )),
            _ => peer.say("a line\n"),
        }
    }
    // Then only the company is there, and who asks.
    until("all of them have left", || {
        let mut peer = Peer::connect(&town.address);
        peer.say("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let metrics = peer.hear_all_text();
        let has = |row: &str| metrics.contains(&format!("\nswitchboard_{row}\n"));
        has("connections 5") && has("users 3") && has("guests 1")
    });
    town.end();
}
