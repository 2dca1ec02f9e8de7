//! Connections between talkers of all kinds, and echoes: no byte is lost, doubled or moved, and
//! every connection comes to its end. It must never excuse a loss that no reason told of.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use fastrand::Rng;
use switchboard::sim::{self, Simulation, Swarm};
use switchboard::{
    Builder, Close, ConnectOptions, Context, Error, Handler, LoopContext, OnPanic, Reactor, Result,
    SourceOptions, Stream,
};

use crate::ledger::{Flow, Ledger};
use crate::life::{self, Watched};
use crate::talker::{End, Host, Plan};
use crate::{proxy, weather};

const MOST: usize = 30_000;

/// In a network that loses connections, silence is all that tells of it.
const IDLE: Duration = Duration::from_secs(30);

/// Longer than any retry waits.
const STUCK: Duration = Duration::from_secs(400);

fn is_echo(connection: u64) -> bool {
    connection.is_multiple_of(3)
}

fn plan(host: &Host, out: Flow) -> Plan {
    let mut plan = Plan::drawn(0, out, MOST, idle(host));
    if host.by_proxy {
        plan.end = End::HalfClose;
    }
    plan
}

pub fn idle(host: &Host) -> Duration {
    if host.gentle { Duration::ZERO } else { IDLE }
}

struct Door;

impl Handler<Host> for Door {
    fn handle_accepted(
        &mut self,
        host: &mut Host,
        cx: &mut Context<'_, Host>,
        stream: Stream,
    ) -> Result {
        let token = life::register(host, cx, stream, Greeter)?;
        let options = SourceOptions::default().with_idle_timeout(idle(host));
        cx.set_source_options(token, options)
    }
}

/// Finds out who it is, and lets the right handler go on.
struct Greeter;

impl Handler<Host> for Greeter {
    fn handle_read(&mut self, host: &mut Host, cx: &mut Context<'_, Host>) -> Result {
        let Some(greeting) = cx.data().first_chunk::<8>() else {
            return Ok(());
        };
        let connection = u64::from_be_bytes(*greeting);
        cx.consume(greeting.len());
        let forth = Flow {
            connection,
            forth: true,
        };
        if is_echo(connection) {
            cx.replace_handler(Watched(Echo { from: forth }));
            return Ok(());
        }
        let mut talker = plan(host, forth.back()).talker();
        talker.begin(host, cx)?;
        cx.replace_handler(Watched(talker));
        Ok(())
    }
}

/// Sends back what it gets, as it lies.
struct Echo {
    from: Flow,
}

impl Echo {
    fn echo(&self, host: &mut Host, cx: &mut Context<'_, Host>) -> Result {
        let data = cx.data();
        match cx.send(data) {
            Ok(()) => {
                host.ledger.got(self.from, self.from, data);
                host.ledger.taken(self.from.back(), data.len());
                cx.consume(data.len());
                Ok(())
            }
            Err(error) if error.is_full() => Ok(()), // offered again when there is room
            Err(error) => Err(error),
        }
    }
}

impl Handler<Host> for Echo {
    fn handle_read(&mut self, host: &mut Host, cx: &mut Context<'_, Host>) -> Result {
        self.echo(host, cx)
    }

    fn handle_eof(&mut self, host: &mut Host, cx: &mut Context<'_, Host>) -> Result {
        assert!(cx.data().is_empty(), "the end before what is unread");
        host.ledger.eof(self.from);
        cx.close();
        Ok(())
    }

    fn handle_error(&mut self, host: &mut Host, _: &mut Context<'_, Host>, error: &Error) {
        assert!(!host.gentle, "{:?}: {error}", self.from);
    }

    fn handle_close(&mut self, host: &mut Host, _: &mut Context<'_, Host>, why: &Close) {
        host.ledger.ended(self.from.back(), why);
        host.ends
            .push((self.from.back(), End::HalfClose, why.to_string()));
    }
}

fn connect(host: &mut Host, cx: &mut LoopContext<'_, Host>, tries: u32) {
    let out = host.ledger.open();
    let mut plan = plan(host, out);
    plan.tries = tries;
    if is_echo(out.connection) {
        plan.like = out;
    }
    let to = match (host.listeners > 0, host.by_proxy) {
        (true, _) => "localhost:8081", // two addresses, and nobody at the first one
        (false, true) => "proxy:9000",
        (false, false) => "server:8080",
    };
    let mut options = ConnectOptions::default();
    if host.gentle {
        options = options.with_timeout(None); // a small backlog may turn it away for long
    }
    // A host that is shutting down connects to nobody.
    let _ = life::connect(host, cx, to, options, plan.talker());
}

fn host(
    ledger: &Ledger,
    gentle: bool,
    by_proxy: bool,
    listeners: usize,
) -> impl Fn() -> Host + 'static {
    let ledger = ledger.clone();
    move || Host {
        ledger: ledger.clone(),
        gentle,
        by_proxy,
        listeners,
        connect_again: Some(connect),
        ..Host::default()
    }
}

fn builder(rng: &mut Rng, gentle: bool) -> Builder {
    let timeout = Duration::from_millis(rng.u64(1..30_000));
    // Through windows of a few bytes, the last ones take as long as they take.
    let patience = if gentle {
        Duration::from_secs(3600)
    } else {
        timeout
    };
    Reactor::builder()
        .on_panic(OnPanic::Stop)
        .close_timeout(patience)
        .shutdown_timeout(timeout)
}

/// Its name leads to one address, to two, or to a dead one first: whoever connects to it has to
/// find one that answers, and no other connection may carry a byte.
fn name_server(sim: &mut Simulation) {
    let [v4, v6] = sim.addresses("server");
    let nobody = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    match sim.seed() % 3 {
        0 => {}
        1 => sim.name("server", &[v6, v4]),
        _ => sim.name("server", &[nobody, v4, v6]),
    }
}

pub fn streams(sim: &mut Simulation, by_proxy: bool) -> Result {
    let mut rng = Rng::with_seed(sim.seed());
    let gentle = weather::is_gentle(sim, &mut rng);
    let ledger = Ledger::default();
    let mut hosts = Vec::new();
    if by_proxy {
        if !gentle {
            ledger.allow_losses();
        }
        let state = host(&ledger, gentle, by_proxy, 1);
        hosts.push(sim.host_with("proxy", builder(&mut rng, gentle), state, proxy::boot)?);
    }
    let clients = rng.usize(1..4);
    for number in 0..=clients {
        let is_server = number == 0;
        // The server talks to itself, too.
        let connections = if is_server {
            rng.u32(..2)
        } else {
            rng.u32(1..4)
        };
        let boot = move |reactor: &mut Reactor<Host>| {
            if is_server {
                life::listen(reactor, "0.0.0.0:8080", Door)?;
                life::listen(reactor, "[::]:8080", Door)?;
                life::listen(reactor, "[::1]:8081", Door)?;
            }
            for _ in 0..connections {
                reactor.with(|host, cx| connect(host, cx, 2));
            }
            Ok(())
        };
        let name = if is_server {
            name_server(sim);
            "server".into()
        } else {
            format!("client {number}")
        };
        let state = host(&ledger, gentle, by_proxy, if is_server { 3 } else { 0 });
        hosts.push(sim.host_with(&name, builder(&mut rng, gentle), state, boot)?);
    }
    sim.run_for(Duration::from_millis(rng.u64(1..60_000)))?;
    if rng.u8(..4) > 0 {
        sim.faults(sim::Faults::none());
        all_end(sim, &hosts, &ledger)?;
        if gentle {
            all_arrived(sim, &hosts, &ledger);
        }
    }
    weather::shut_down(sim, &hosts, &mut rng)
}

/// Lets time pass until all connections have ended, or nothing moves any more.
fn all_end(sim: &mut Simulation, hosts: &[sim::Host<Host>], ledger: &Ledger) -> Result {
    let (mut changes, mut since) = (0, sim.now());
    let mut stuck = false;
    sim.run_until(|sim| {
        if changes != ledger.changes() {
            (changes, since) = (ledger.changes(), sim.now());
        }
        stuck = sim.now() - since > STUCK;
        let have_ended = |host: &sim::Host<Host>| {
            sim.is_up(*host) && {
                let host = sim.state(*host);
                host.lives.open() == host.listeners
            }
        };
        stuck || hosts.iter().all(have_ended)
    })?;
    assert!(!stuck, "connections are left, and nothing moves any more");
    Ok(())
}

/// Nothing was lost on the way, so nothing may be missing unless one of the ends wanted it so.
fn all_arrived(sim: &Simulation, hosts: &[sim::Host<Host>], ledger: &Ledger) {
    let ends = hosts.iter().flat_map(|host| &sim.state(*host).ends);
    for (flow, end, why) in ends.clone() {
        assert!(!why.contains("refused"), "{flow:?}: {why}");
        let mut others = ends.clone().filter(|(other, ..)| *other == flow.back());
        let other = others.next().map(|(_, end, _)| *end);
        if (*end, other) == (End::HalfClose, Some(End::HalfClose)) {
            let account = ledger.of(*flow);
            assert!(account.eof && account.clean, "{flow:?} ended: {why}");
        }
    }
}

#[test]
fn streams_arrive_whole() {
    Swarm::new("streams_arrive_whole")
        .seeds(100)
        .check(|sim| streams(sim, false));
}

#[test]
fn a_proxy_passes_streams_on() {
    Swarm::new("a_proxy_passes_streams_on")
        .seeds(50)
        .check(|sim| streams(sim, true));
}
