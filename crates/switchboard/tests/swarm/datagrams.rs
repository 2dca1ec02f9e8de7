//! Datagrams between hosts that send as they like: what arrives is what some peer has sent to just
//! there, whole; twice, late or not at all only as the faults allow. It must never expect that one
//! arrives where a fault may lose it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use switchboard::sim::{Fault, Faults, Simulation, Swarm};
use switchboard::{
    Address, Close, Context, Error, Handler, OnPanic, OutboxPolicy, Reactor, Result, SourceOptions,
    TimerId, Token,
};

use crate::life::{self, Alive, Lives};
use crate::weather;

/// What was sent, by its sender's address and a number of its own.
#[derive(Default)]
struct Post {
    sent: BTreeMap<(SocketAddr, u64), Letter>,
    next: u64,
}

struct Letter {
    bytes: Vec<u8>,
    to: SocketAddr,
    arrived: u32,
}

/// What all hosts share, and a crash does not take.
#[derive(Clone, Default)]
struct Office {
    post: Rc<RefCell<Post>>,
    /// What may happen to a letter now.
    doubles: Rc<Cell<bool>>,
    overtakes: Rc<Cell<bool>>,
}

struct Town {
    lives: Lives,
    office: Office,
    socket: Option<Token>,
    /// The newest number that has come from each sender.
    newest: BTreeMap<SocketAddr, u64>,
}

impl Alive for Town {
    fn lives(&mut self) -> &mut Lives {
        &mut self.lives
    }
}

struct Clerk {
    rng: Rng,
    here: SocketAddr,
    others: Vec<SocketAddr>,
    budget: u32,
    /// A send was refused, and nobody has said since that there is room.
    is_refused: bool,
}

impl Clerk {
    fn write(&mut self, town: &mut Town, cx: &mut Context<'_, Town>) -> Result {
        for _ in 0..self.rng.u32(0..40) {
            let to = *self.rng.choice(&self.others).expect("there are others");
            let mut post = town.office.post.borrow_mut();
            post.next += 1;
            let number = post.next;
            let mut bytes = number.to_be_bytes().to_vec();
            let more = match self.rng.u8(..64) {
                0 => self.rng.usize(..60_000),
                _ => self.rng.usize(..200),
            };
            bytes.extend((0..more).map(|i| (number as usize * 31 + i) as u8));
            let letter = Letter {
                bytes: bytes.clone(),
                to,
                arrived: 0,
            };
            match cx.send_datagram(&bytes, Address::Ip(to)) {
                Ok(()) => drop(post.sent.insert((self.here, number), letter)),
                Err(error) => {
                    let is_too_large = matches!(error, Error::TooLarge { .. });
                    assert!(error.is_full() || is_too_large, "{error}");
                    self.is_refused |= !is_too_large;
                }
            }
        }
        let delay = Duration::from_millis(self.rng.u64(1..2000));
        if self.budget > 0 {
            self.budget -= 1;
            cx.set_timer(delay)?;
        }
        Ok(())
    }
}

impl Handler<Town> for Clerk {
    fn handle_timer(&mut self, town: &mut Town, cx: &mut Context<'_, Town>, _: TimerId) -> Result {
        let is_owed = self.is_refused && cx.outbox_len() == 0;
        assert!(!is_owed, "there is room, and nobody was told");
        match self.rng.u8(..16) {
            0 => cx.pause_reading(),
            1..4 => cx.resume_reading(),
            _ => {}
        }
        self.write(town, cx)
    }

    fn handle_datagram(
        &mut self,
        town: &mut Town,
        cx: &mut Context<'_, Town>,
        bytes: &[u8],
        from: &Address,
    ) -> Result {
        let from = from.ip().expect("it is an IP address");
        assert!(!cx.is_truncated(), "nobody has asked for less");
        let number = bytes.get(..8).and_then(|number| number.try_into().ok());
        let number = u64::from_be_bytes(number.expect("a part of a datagram has come"));
        let mut post = town.office.post.borrow_mut();
        let letter = post.sent.get_mut(&(from, number));
        let letter = letter.expect("a datagram that nobody has sent");
        assert_eq!(letter.to, self.here, "it was for somebody else");
        assert_eq!(letter.bytes, bytes, "not what was sent");
        letter.arrived += 1;
        assert!(
            letter.arrived == 1 || letter.arrived == 2 && town.office.doubles.get(),
            "it arrives for the {}th time",
            letter.arrived
        );
        let newest = town.newest.entry(from).or_default();
        let is_late = number < *newest;
        assert!(!is_late || town.office.overtakes.get(), "overtaken");
        *newest = number.max(*newest);
        if self.rng.u8(..32) == 0 {
            return Err("a letter that nobody can read".into());
        }
        Ok(())
    }

    fn handle_write(&mut self, town: &mut Town, cx: &mut Context<'_, Town>) -> Result {
        self.is_refused = false;
        match self.budget {
            0 => Ok(()),
            _ => self.write(town, cx),
        }
    }

    fn handle_error(&mut self, _: &mut Town, _: &mut Context<'_, Town>, error: &Error) {
        // No route is missing, and no socket is connected.
        assert_eq!(error.to_string(), "a letter that nobody can read");
    }

    fn handle_close(&mut self, town: &mut Town, _: &mut Context<'_, Town>, _: &Close) {
        town.socket = None;
    }
}

fn options(rng: &mut Rng) -> (SourceOptions, OutboxPolicy) {
    let high = [2_000, 100_000, 1_000_000][rng.usize(..3)];
    let policy = match rng.u8(..3) {
        0 => OutboxPolicy::DropOldest,
        _ => OutboxPolicy::Refuse,
    };
    let options = SourceOptions::default().with_watermarks(high / 4, high);
    (options.with_policy(policy), policy)
}

pub fn datagrams(sim: &mut Simulation) -> Result {
    let mut rng = Rng::with_seed(sim.seed());
    let gentle = weather::is_gentle(sim, &mut rng);
    let is_roomy = gentle && rng.bool();
    if is_roomy {
        let faults = sim.current_faults();
        sim.faults(faults.buffers(64 * 1024, usize::MAX));
    }
    let faults = sim.current_faults();
    let office = Office::default();
    office.doubles.set(faults.rate(Fault::DatagramDouble) > 0.0);
    // A double comes late, too, and what was on its way when its sender lost its power may come
    // after what that sends when it is back.
    let late = [Fault::DatagramReorder, Fault::DatagramDouble, Fault::Crash];
    let overtakes = late.iter().any(|fault| faults.rate(*fault) > 0.0);
    office.overtakes.set(overtakes);
    let count = rng.u8(2..5);
    let addresses: Vec<SocketAddr> = (1..=count).map(|n| ([10, 0, 0, n], 53).into()).collect();
    let mut hosts = Vec::new();
    let mut keeps_all = true;
    for here in &addresses {
        let (here, others) = (*here, addresses.clone());
        let (ours, seed) = (office.clone(), rng.u64(..));
        let (options, policy) = options(&mut rng);
        keeps_all &= policy == OutboxPolicy::Refuse;
        let state = move || Town {
            lives: Lives::default(),
            office: ours.clone(),
            socket: None,
            newest: BTreeMap::new(),
        };
        let boot = move |reactor: &mut Reactor<Town>| {
            let clerk = Clerk {
                rng: Rng::with_seed(seed),
                here,
                others: others.clone(),
                budget: 20,
                is_refused: false,
            };
            let socket = reactor.bind_udp(here)?;
            let token = life::register_udp(reactor, socket, clerk)?;
            reactor.state_mut().socket = Some(token);
            reactor.with(|_, cx| cx.set_source_timer(token, Duration::ZERO))?;
            Ok(())
        };
        let builder = Reactor::builder()
            .on_panic(OnPanic::Stop)
            .source_options(options);
        hosts.push(sim.host_with(&format!("town {here}"), builder, state, boot)?);
    }
    sim.run_for(Duration::from_secs(rng.u64(1..120)))?;
    sim.faults(Faults::none());
    // Nobody sends any more then; somebody may have paused last.
    sim.run_for(Duration::from_secs(60))?;
    for host in &hosts {
        sim.with(*host, |town, cx| {
            if let Some(socket) = town.socket {
                cx.resume_source(socket);
            }
        });
    }
    sim.run_for(Duration::from_secs(5))?;
    if is_roomy && keeps_all && faults.rate(Fault::DatagramLoss) == 0.0 {
        let post = office.post.borrow();
        let lost = post.sent.values().filter(|letter| letter.arrived == 0);
        assert_eq!(lost.count(), 0, "lost without a fault");
    }
    weather::shut_down(sim, &hosts, &mut rng)
}

#[test]
fn datagrams_arrive_whole_and_as_the_faults_allow() {
    let name = "datagrams_arrive_whole_and_as_the_faults_allow";
    let passed = Swarm::new(name).check(datagrams);
    if passed.seeds >= 100 {
        for fault in [
            Fault::DatagramLoss,
            Fault::DatagramDouble,
            Fault::DatagramReorder,
        ] {
            assert!(passed.counts.of(fault) > 0, "{fault} has not happened");
        }
    }
}
