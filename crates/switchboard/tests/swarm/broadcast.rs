//! A chat room: what one says is sent to all, whoever reads slowly, under each of the policies.
//! It must never take a message that was dropped as a whole for a loss, where the policy drops.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use switchboard::sim::{self, Simulation, Swarm};
use switchboard::{
    Bytes, Close, Context, Error, Handler, LoopContext, OnPanic, OutboxPolicy, Reactor, Result,
    SourceOptions, Stream, TimerId, Token,
};

use crate::ledger::{Flow, Ledger, byte};
use crate::life::{self, Alive, Lives};
use crate::weather;

/// To whom, from whom, which one, and bytes that tell whether it is whole.
const FRAME: usize = 200;

fn frame(to: u32, from: u32, number: u32) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
    for (at, value) in [to, from, number].into_iter().enumerate() {
        frame[at * 4..][..4].copy_from_slice(&value.to_be_bytes());
    }
    let content = Flow {
        connection: u64::from(from) << 20 | u64::from(number),
        forth: true,
    };
    for (at, place) in frame[12..].iter_mut().enumerate() {
        *place = byte(content, at as u64);
    }
    frame
}

/// To whom, from whom, and which one, if the frame is whole.
fn parse(bytes: &[u8]) -> (u32, u32, u32) {
    let field = |at: usize| {
        let bytes = bytes[at * 4..].first_chunk();
        u32::from_be_bytes(*bytes.expect("a frame is longer"))
    };
    let (to, from, number) = (field(0), field(1), field(2));
    assert_eq!(bytes, frame(to, from, number), "a frame is not whole");
    (to, from, number)
}

#[derive(Default)]
struct Room {
    lives: Lives,
    ledger: Ledger,
    members: Vec<(Token, u32)>,
    options: SourceOptions,
    policy: OutboxPolicy,
}

impl Alive for Room {
    fn lives(&mut self) -> &mut Lives {
        &mut self.lives
    }
}

struct Door;

impl Handler<Room> for Door {
    fn handle_accepted(
        &mut self,
        room: &mut Room,
        cx: &mut Context<'_, Room>,
        stream: Stream,
    ) -> Result {
        let token = life::register(room, cx, stream, Member)?;
        cx.set_source_options(token, room.options)
    }
}

struct Member;

impl Member {
    fn tell_all(&self, room: &mut Room, cx: &mut Context<'_, Room>, from: u32, number: u32) {
        let high = room.options.high_watermark();
        for (token, to) in &room.members {
            let frame = Bytes::copy_from_slice(&frame(*to, from, number));
            let open = cx.is_open(*token);
            match cx.send_to(*token, frame) {
                Ok(()) => assert!(open, "sent to one that is closing"),
                Err(Error::Stale(of)) => assert!(!open && of == *token),
                Err(Error::Full { .. }) => {
                    assert!(cx.is_open(*token) || room.policy == OutboxPolicy::Disconnect)
                }
                Err(error) => panic!("{error}"),
            }
            assert!(
                cx.source_outbox_len(*token) <= high,
                "the outbox is above its bound"
            );
        }
        let mut rng = Rng::with_seed(u64::from(number));
        room.lives.poke_an_ended_one(&mut rng, cx);
    }
}

impl Handler<Room> for Member {
    fn handle_read(&mut self, room: &mut Room, cx: &mut Context<'_, Room>) -> Result {
        while cx.data().len() >= FRAME {
            let (_, from, number) = parse(&cx.data()[..FRAME]);
            cx.consume(FRAME);
            if number == 0 {
                room.members.push((cx.token(), from));
            }
            self.tell_all(room, cx, from, number);
        }
        Ok(())
    }

    fn handle_close(&mut self, room: &mut Room, cx: &mut Context<'_, Room>, why: &Close) {
        let is_slow = matches!(why, Close::SlowConsumer);
        assert!(!is_slow || room.policy == OutboxPolicy::Disconnect);
        room.members.retain(|(member, _)| *member != cx.token());
    }
}

/// Says something now and then, and reads now and then.
struct Client {
    number: u32,
    said: u32,
    heard: BTreeMap<u32, u32>,
    reads: bool,
}

fn join(room: &mut Room, cx: &mut LoopContext<'_, Room>) {
    let client = Client {
        number: room.ledger.open().connection as u32,
        said: 0,
        heard: BTreeMap::new(),
        reads: true,
    };
    let options = switchboard::ConnectOptions::default();
    // A host that is shutting down joins nothing.
    let _ = life::connect(room, cx, "server:8080", options, client);
}

impl Handler<Room> for Client {
    fn handle_connect(&mut self, _: &mut Room, cx: &mut Context<'_, Room>) -> Result {
        let period = Duration::from_millis(cx.random() % 50 + 1);
        cx.set_interval(period).map(drop)
    }

    fn handle_timer(&mut self, _: &mut Room, cx: &mut Context<'_, Room>, timer: TimerId) -> Result {
        self.reads = match cx.random() % 8 {
            0 => false,
            1..5 => true,
            _ => self.reads,
        };
        match self.reads {
            true => cx.resume_reading(),
            false => cx.pause_reading(),
        }
        if self.said == 60 {
            cx.resume_reading();
            cx.cancel_timer(timer);
            cx.close();
            return Ok(());
        }
        match cx.send(&frame(0, self.number, self.said)) {
            Ok(()) => self.said += 1,
            Err(error) => assert!(error.is_full(), "{error}"),
        }
        Ok(())
    }

    fn handle_read(&mut self, room: &mut Room, cx: &mut Context<'_, Room>) -> Result {
        while cx.data().len() >= FRAME {
            let (to, from, number) = parse(&cx.data()[..FRAME]);
            cx.consume(FRAME);
            assert_eq!(to, self.number, "this was said to somebody else");
            if let Some(before) = self.heard.insert(from, number) {
                assert!(number > before, "{number} of {from} comes after {before}");
                let misses = number > before + 1;
                let drops = room.policy != OutboxPolicy::Disconnect;
                assert!(drops || !misses, "{number} of {from} comes after {before}");
            }
        }
        Ok(())
    }

    fn handle_close(&mut self, _: &mut Room, cx: &mut Context<'_, Room>, _: &Close) {
        if self.said < 60 {
            let _ = cx.after(Duration::from_millis(200), join);
        }
    }
}

pub fn broadcast(sim: &mut Simulation) -> Result {
    let mut rng = Rng::with_seed(sim.seed());
    weather::is_gentle(sim, &mut rng);
    let policies = [
        OutboxPolicy::Refuse,
        OutboxPolicy::Disconnect,
        OutboxPolicy::DropOldest,
    ];
    let policy = policies[rng.usize(..3)];
    let high = [FRAME, 3 * FRAME + 50, 40 * FRAME, 1 << 20][rng.usize(..4)];
    let options = SourceOptions::default()
        .with_watermarks(high / [1, 2, 10][rng.usize(..3)], high)
        .with_policy(policy)
        .with_idle_timeout(Duration::from_secs(60));
    let ledger = Ledger::default();
    let mut hosts = Vec::new();
    for number in 0..rng.usize(3..5) {
        let clients = rng.usize(1..3);
        let boot = move |reactor: &mut Reactor<Room>| {
            if number == 0 {
                return life::listen(reactor, "0.0.0.0:8080", Door).map(drop);
            }
            for _ in 0..clients {
                reactor.with(join);
            }
            Ok(())
        };
        let name = if number == 0 {
            "server".into()
        } else {
            format!("client {number}")
        };
        let (ledger, reading) = (ledger.clone(), options);
        let state = move || Room {
            ledger: ledger.clone(),
            options: reading,
            policy,
            ..Room::default()
        };
        let clients = SourceOptions::default().with_idle_timeout(Duration::from_secs(30));
        let builder = Reactor::builder()
            .on_panic(OnPanic::Stop)
            .source_options(clients);
        hosts.push(sim.host_with(&name, builder, state, boot)?);
    }
    sim.run_for(Duration::from_millis(rng.u64(1..20_000)))?;
    if rng.bool() {
        sim.faults(sim::Faults::none());
        sim.run_until(|sim| {
            let up = hosts.iter().all(|host| sim.is_up(*host));
            up && hosts[1..]
                .iter()
                .all(|host| sim.state(*host).lives.open() == 0)
        })?;
    }
    weather::shut_down(sim, &hosts, &mut rng)
}

#[test]
fn everybody_hears_what_is_said() {
    Swarm::new("everybody_hears_what_is_said")
        .seeds(50)
        .check(broadcast);
}
