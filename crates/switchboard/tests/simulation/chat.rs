//! A small program for the other tests: a server that sends back what it gets, and clients that
//! ask, wait for the whole answer, and ask again.

use std::time::Duration;

use switchboard::sim::{Host, Simulation};
use switchboard::{
    Close, ConnectOptions, Context, Done, Handler, LoopContext, OnPanic, Reactor, Result,
    SourceOptions, Stream, TimerId,
};

/// What a host has seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub accepted: usize,
    pub answers: usize,
    pub closed: Vec<String>,
}

pub struct Server;

impl Handler<Seen> for Server {
    fn handle_accepted(
        &mut self,
        seen: &mut Seen,
        cx: &mut Context<'_, Seen>,
        stream: Stream,
    ) -> Result {
        seen.accepted += 1;
        cx.register(stream, Echo).map(drop)
    }
}

pub struct Echo;

impl Handler<Seen> for Echo {
    fn handle_read(&mut self, _: &mut Seen, cx: &mut Context<'_, Seen>) -> Result {
        let data = cx.recv(8192);
        cx.send(data)
    }

    fn handle_close(&mut self, seen: &mut Seen, _: &mut Context<'_, Seen>, why: &Close) {
        seen.closed.push(why.to_string());
    }
}

/// Asks `questions` times, with a pause and a job in between, and connects again when it is cut.
pub struct Client {
    pub questions: usize,
    pub question: Vec<u8>,
    pub got: usize,
}

impl Client {
    pub fn new(questions: usize, question: impl Into<Vec<u8>>) -> Client {
        Client {
            questions,
            question: question.into(),
            got: 0,
        }
    }
}

impl Handler<Seen> for Client {
    fn handle_connect(&mut self, _: &mut Seen, cx: &mut Context<'_, Seen>) -> Result {
        self.got = 0;
        cx.send(&self.question)
    }

    fn handle_read(&mut self, seen: &mut Seen, cx: &mut Context<'_, Seen>) -> Result {
        let data = cx.recv(8192);
        let asked = &self.question[self.got..];
        assert!(asked.starts_with(data), "not what was asked");
        self.got += data.len();
        if self.got == self.question.len() {
            seen.answers += 1;
            self.questions -= 1;
            self.got = 0;
            let (number, spread) = (self.questions, cx.random() % 5);
            cx.offload(move || number as u64 * 10 + spread)?;
        }
        Ok(())
    }

    fn handle_done(&mut self, _: &mut Seen, cx: &mut Context<'_, Seen>, done: Done) -> Result {
        let millis = done.take::<u64>()?;
        cx.set_timer(Duration::from_millis(millis)).map(drop)
    }

    fn handle_timer(&mut self, _: &mut Seen, cx: &mut Context<'_, Seen>, _: TimerId) -> Result {
        if self.questions == 0 {
            cx.close();
            return Ok(());
        }
        cx.send(&self.question)
    }

    fn handle_close(&mut self, seen: &mut Seen, cx: &mut Context<'_, Seen>, why: &Close) {
        seen.closed.push(why.to_string());
        if self.questions > 0 {
            let (questions, question) = (self.questions, self.question.clone());
            // In a shutdown there is nobody left to connect for.
            let _ = cx.after(Duration::from_millis(50), move |_, cx| {
                let _ = connect(cx, Client::new(questions, question));
            });
        }
    }
}

fn connect(cx: &mut LoopContext<'_, Seen>, client: Client) -> Result {
    let patience = ConnectOptions::default().with_timeout(Some(Duration::from_secs(2)));
    cx.connect_with("server:8080", patience, client).map(drop)
}

/// A server and some clients, in a world without faults as yet.
pub fn build(seed: u64, clients: usize, questions: usize) -> (Simulation, Vec<Host<Seen>>) {
    let mut sim = Simulation::new(seed);
    let mut hosts = vec![add_server(&mut sim)];
    for number in 0..clients {
        hosts.push(add_client(&mut sim, number, questions));
    }
    (sim, hosts)
}

pub fn add_server(sim: &mut Simulation) -> Host<Seen> {
    let boot = |reactor: &mut Reactor<Seen>| reactor.listen("0.0.0.0:8080", Server).map(drop);
    sim.host("server", Seen::default, boot)
        .expect("it can listen")
}

pub fn add_client(sim: &mut Simulation, number: usize, questions: usize) -> Host<Seen> {
    let question = format!("question of {number}, ").repeat(20 + number);
    let boot = move |reactor: &mut Reactor<Seen>| {
        let client = Client::new(questions, question.clone());
        reactor.with(|_, cx| connect(cx, client))
    };
    // A reset may reach the other end only: then nothing but silence tells of it.
    let options = SourceOptions::default().with_idle_timeout(Duration::from_secs(1));
    let builder = Reactor::builder()
        .source_options(options)
        .on_panic(OnPanic::Stop);
    sim.host_with(&format!("client {number}"), builder, Seen::default, boot)
        .expect("it can connect")
}
