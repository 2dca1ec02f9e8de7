//! A server that writes each record to its disk before it says so, and crashes, on a disk that fails
//! at times: what was acknowledged is there when it comes back. It must never look into the disk but
//! as the server does.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fastrand::Rng;
use switchboard::sim::{self, Action, Disk, Simulation, Swarm};
use switchboard::{
    Close, ConnectOptions, Context, Done, Handler, JobId, Lane, LoopContext, OnPanic, Reactor,
    Result, SourceOptions, Stream,
};

use crate::life::{self, Alive, Lives};
use crate::weather;

/// Who wrote it, and its number.
type Record = (u32, u32);

/// A record on the disk, with a check against torn writes.
const LEN: usize = 12;
const EACH: u32 = 8;

fn encode((client, number): Record) -> [u8; LEN] {
    let check = (client ^ number.rotate_left(16)).wrapping_mul(0x9E37_79B9) | 1;
    let mut bytes = [0; LEN];
    for (at, value) in [client, number, check].into_iter().enumerate() {
        bytes[at * 4..][..4].copy_from_slice(&value.to_be_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<Record> {
    let field = |at: usize| Some(u32::from_be_bytes(*bytes[at * 4..].first_chunk()?));
    let record = (field(0)?, field(1)?);
    (encode(record)[..] == *bytes).then_some(record)
}

#[derive(Default)]
struct Office {
    lives: Lives,
    disk: Option<Disk>,
    written: BTreeSet<Record>,
    /// Where its jobs run, if they are to keep their order.
    lane: Option<Lane>,
    /// How often the disk has failed, by the word of jobs: who has asked for one may be gone.
    failures: Arc<AtomicU32>,
    /// Up to which failure the journal was written anew since.
    mended: u32,
    /// What clients were told to be written: outside of the simulated world.
    acknowledged: Rc<RefCell<BTreeSet<Record>>>,
}

impl Alive for Office {
    fn lives(&mut self) -> &mut Lives {
        &mut self.lives
    }
}

impl Office {
    /// What is left on the disk.
    fn recover(&mut self) -> io::Result<()> {
        let Some(disk) = &self.disk else {
            return Ok(());
        };
        let bytes = match disk.read("journal") {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        self.written = bytes.chunks(LEN).filter_map(decode).collect();
        for record in self.acknowledged.borrow().iter() {
            assert!(
                self.written.contains(record),
                "{record:?} was acknowledged, and is lost"
            );
        }
        self.write_anew()
    }

    /// Nothing new is begun, and nothing acknowledged, on a journal in which the disk has failed.
    fn mend(&mut self) -> io::Result<()> {
        let failures = self.failures.load(Ordering::Relaxed);
        if failures != self.mended {
            self.mended = failures;
            self.write_anew()?;
        }
        Ok(())
    }

    /// What comes next must not stand behind a torn record; and what was not synced is lost, once a
    /// sync has failed.
    fn write_anew(&mut self) -> io::Result<()> {
        let Some(disk) = &self.disk else {
            return Ok(());
        };
        let records = self.written.iter();
        let all: Vec<u8> = records.flat_map(|record| encode(*record)).collect();
        let attempt = || {
            disk.write("new", &all)?;
            disk.sync("new")?;
            disk.rename("new", "journal")?;
            disk.sync("journal")
        };
        let mut last = attempt();
        for _ in 0..100 {
            if last.is_ok() {
                break;
            }
            last = attempt();
        }
        last
    }
}

struct Door;

impl Handler<Office> for Door {
    fn handle_accepted(
        &mut self,
        office: &mut Office,
        cx: &mut Context<'_, Office>,
        stream: Stream,
    ) -> Result {
        let writer = Writer { jobs: Vec::new() };
        let token = life::register(office, cx, stream, writer)?;
        let options = SourceOptions::default().with_idle_timeout(Duration::from_secs(60));
        cx.set_source_options(token, options)
    }
}

/// Between the two, a crash may tear what was written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Append,
    Sync,
}

/// The jobs under way, with what they write, and how often the disk had failed then.
struct Writer {
    jobs: Vec<(JobId, Record, Step, u32)>,
}

impl Writer {
    fn begin(
        &mut self,
        office: &mut Office,
        cx: &mut Context<'_, Office>,
        record: Record,
        step: Step,
    ) -> Result {
        office.mend()?;
        let Some(disk) = office.disk.clone() else {
            panic!("only the server has clients");
        };
        let failures = office.failures.clone();
        let job = move || {
            let outcome = match step {
                Step::Append => disk.append("journal", &encode(record)),
                Step::Sync => disk.sync("journal"),
            };
            if outcome.is_err() {
                failures.fetch_add(1, Ordering::Relaxed);
            }
        };
        let job = match office.lane {
            Some(lane) => cx.offload_on(lane, job)?,
            None => cx.offload(job)?,
        };
        self.jobs.push((job, record, step, office.mended));
        Ok(())
    }
}

impl Handler<Office> for Writer {
    fn handle_read(&mut self, office: &mut Office, cx: &mut Context<'_, Office>) -> Result {
        while let Some(bytes) = cx.data().first_chunk::<LEN>() {
            let record = decode(bytes).expect("the network tears nothing");
            cx.consume(LEN);
            if office.written.contains(&record) {
                cx.send(bytes)?;
                continue;
            }
            self.begin(office, cx, record, Step::Append)?;
        }
        Ok(())
    }

    fn handle_done(
        &mut self,
        office: &mut Office,
        cx: &mut Context<'_, Office>,
        done: Done,
    ) -> Result {
        let place = self.jobs.iter().position(|(job, ..)| *job == done.job);
        let (_, record, step, failures) = self.jobs.swap_remove(place.expect("a job of another"));
        done.take::<()>()?;
        office.mend()?;
        if failures != office.mended {
            return self.begin(office, cx, record, Step::Append);
        }
        if step == Step::Append {
            return self.begin(office, cx, record, Step::Sync);
        }
        office.written.insert(record);
        cx.send(&encode(record))
    }

    fn handle_eof(&mut self, _: &mut Office, cx: &mut Context<'_, Office>) -> Result {
        cx.close(); // with jobs under way, perhaps: their results are for nobody
        Ok(())
    }
}

/// Writes one record after the other, each until it is acknowledged.
struct Client {
    next: Record,
    several: bool,
}

impl Client {
    fn write(&self, cx: &mut Context<'_, Office>) -> Result {
        let (client, number) = self.next;
        let last = if self.several { EACH } else { number + 1 };
        for number in number..last {
            cx.send(&encode((client, number)))?;
        }
        Ok(())
    }
}

fn connect(office: &mut Office, cx: &mut LoopContext<'_, Office>, next: Record) {
    let client = Client {
        next,
        several: cx.random().is_multiple_of(2),
    };
    let options = ConnectOptions::default().with_timeout(Some(Duration::from_secs(5)));
    // A host that is shutting down connects to nobody.
    let _ = life::connect(office, cx, "server:8080", options, client);
}

impl Handler<Office> for Client {
    fn handle_connect(&mut self, _: &mut Office, cx: &mut Context<'_, Office>) -> Result {
        self.write(cx)
    }

    fn handle_read(&mut self, office: &mut Office, cx: &mut Context<'_, Office>) -> Result {
        let (client, before) = self.next;
        while let Some(bytes) = cx.data().first_chunk::<LEN>() {
            let record = decode(bytes).expect("the network tears nothing");
            cx.consume(LEN);
            assert_eq!(record.0, client, "acknowledged to somebody else");
            office.acknowledged.borrow_mut().insert(record);
        }
        let acknowledged = office.acknowledged.borrow();
        let is_missing = |number: &u32| !acknowledged.contains(&(client, *number));
        match (0..EACH).find(is_missing) {
            None => cx.close(),
            Some(number) => {
                self.next.1 = number;
                if number > before && !self.several {
                    self.write(cx)?;
                }
            }
        }
        Ok(())
    }

    fn handle_close(&mut self, office: &mut Office, cx: &mut Context<'_, Office>, _: &Close) {
        let acknowledged = office.acknowledged.borrow();
        let is_missing = |number: &u32| !acknowledged.contains(&(self.next.0, *number));
        if let Some(number) = (0..EACH).find(is_missing) {
            let next = (self.next.0, number);
            let _ = cx.after(Duration::from_millis(100), move |office, cx| {
                connect(office, cx, next);
            });
        }
    }
}

pub fn journal(sim: &mut Simulation) -> Result {
    let mut rng = Rng::with_seed(sim.seed());
    weather::is_gentle(sim, &mut rng);
    let acknowledged = Rc::<RefCell<BTreeSet<Record>>>::default();
    let disk = sim.disk("server");
    let in_order = rng.bool();
    let mut hosts = Vec::new();
    for number in 0..rng.u32(2..5) {
        let (acknowledged, disk) = (acknowledged.clone(), (number == 0).then(|| disk.clone()));
        let state = move || Office {
            acknowledged: acknowledged.clone(),
            disk: disk.clone(),
            ..Office::default()
        };
        let boot = move |reactor: &mut Reactor<Office>| {
            if number > 0 {
                reactor.with(|office, cx| connect(office, cx, (number, 0)));
                return Ok(());
            }
            reactor.state_mut().lane = match in_order {
                true => Some(reactor.open_lane("journal")?),
                false => None,
            };
            reactor.state_mut().recover()?;
            life::listen(reactor, "0.0.0.0:8080", Door).map(drop)
        };
        let name = if number == 0 {
            "server".into()
        } else {
            format!("client {number}")
        };
        let clients = SourceOptions::default().with_idle_timeout(Duration::from_secs(10));
        let builder = Reactor::builder()
            .on_panic(OnPanic::Stop)
            .source_options(clients);
        hosts.push(sim.host_with(&name, builder, state, boot)?);
    }
    for _ in 0..rng.u8(..4) {
        let lasting = Some(Duration::from_millis(rng.u64(..3000)));
        let host = hosts[0].id();
        sim.at(
            Duration::from_micros(rng.u64(..400_000)),
            Action::Crash { host, lasting },
        );
    }
    sim.run_for(Duration::from_millis(rng.u64(400..20_000)))?; // all of those have come
    sim.faults(sim::Faults::none());
    let all = (hosts.len() - 1) * EACH as usize;
    sim.run_until(|_| acknowledged.borrow().len() == all)?;
    sim.act(Action::Crash {
        host: hosts[0].id(),
        lasting: Some(Duration::from_millis(1)),
    })?;
    weather::shut_down(sim, &hosts, &mut rng)
}

#[test]
fn what_is_acknowledged_survives_crashes() {
    Swarm::new("what_is_acknowledged_survives_crashes").check(journal);
}
