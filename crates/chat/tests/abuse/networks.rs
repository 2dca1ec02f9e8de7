//! Many connections from one network, in a simulation: those from the server's own machine have no
//! limit.

use std::sync::LazyLock;
use std::time::Duration;

use switchboard_chat::cli::ServeArgs;

use crate::anything::{Client, arguments, simulation};

static ARGS: LazyLock<ServeArgs> = LazyLock::new(|| arguments(&["--max-per-network=10"]));

const MOMENT: Duration = Duration::from_millis(50);

/// Says something as a plain client, and whether it was receipted.
fn is_served(client: &mut Client, sim: &mut switchboard::sim::Simulation) -> bool {
    client.say(sim, b"hello\n");
    client.wait(sim, MOMENT);
    String::from_utf8_lossy(&client.heard).contains("Message received")
}

#[test]
fn one_network_has_so_many_connections_and_no_more() {
    let mut sim = simulation(&ARGS);
    let mut inside: Vec<Client> = (0..10).map(|_| Client::dial(&mut sim, "crowd")).collect();
    for client in &mut inside {
        assert!(is_served(client, &mut sim));
    }
    for _ in 0..20 {
        let mut late = Client::dial(&mut sim, "crowd");
        late.wait(&mut sim, MOMENT);
        let told = String::from_utf8_lossy(&late.heard).into_owned();
        assert!(told.contains("10 connections from your network"), "{told}");
        assert!(late.over);
    }
    // Others come in, and those who are in are as well off as before.
    let mut other = Client::dial(&mut sim, "elsewhere");
    assert!(is_served(&mut other, &mut sim));
    for client in &mut inside {
        client.heard.clear();
        assert!(is_served(client, &mut sim));
    }
    // Whoever leaves makes room for another one.
    drop(inside.pop());
    sim.run_for(MOMENT).expect("no handler panics");
    let mut next = Client::dial(&mut sim, "crowd");
    assert!(is_served(&mut next, &mut sim));
}
