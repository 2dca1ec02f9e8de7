//! The smallest server: it sends back what it receives. `--help` says on what it can listen.
//! It must never do more than that: `bench/` measures the reactor with it.

#[path = "echo/certificate.rs"]
mod certificate;

use switchboard::{
    Address, Builder, Context, Handler, Listener, Reactor, ReactorGroup, Recording, Result, Stream,
};

use certificate::{Certificate, Secret};

const USAGE: &str = "\
Usage: echo [OPTIONS] [ADDRESS..]

Sends back what it receives, on each ADDRESS (by default localhost:7777):
  HOST:PORT, tcp://HOST:PORT   TCP
  udp://HOST:PORT              UDP, a datagram for each that comes
  unix://PATH                  a Unix socket
  tls://HOST:PORT              TLS, with a certificate:
      --cert FILE --key FILE   from these files, which SIGHUP has read again
      --self-signed            made for this run

  --driver NAME                readiness (the default), io_uring, or auto
  --reactors N                 N threads share the connections; datagrams go to the first one
  --record FILE                writes down what happens, for a replay
";

struct Echo;

impl Handler<()> for Echo {
    fn handle_accepted(&mut self, _: &mut (), cx: &mut Context<'_, ()>, stream: Stream) -> Result {
        cx.register(stream, Echo)?;
        Ok(())
    }

    fn handle_read(&mut self, _: &mut (), cx: &mut Context<'_, ()>) -> Result {
        let data = cx.recv(usize::MAX);
        cx.send(data)
    }

    fn handle_datagram(
        &mut self,
        _: &mut (),
        cx: &mut Context<'_, ()>,
        bytes: &[u8],
        from: &Address,
    ) -> Result {
        cx.send_datagram(bytes, from)
    }
}

/// Where it listens, each endpoint without its scheme.
#[derive(Default)]
struct Places {
    /// Whether it is for TLS comes first.
    streams: Vec<(bool, String)>,
    datagrams: Vec<String>,
}

impl Places {
    fn add(&mut self, address: String) {
        match address.split_once("://") {
            Some(("udp", endpoint)) => self.datagrams.push(endpoint.to_owned()),
            Some(("tls", endpoint)) => self.streams.push((true, endpoint.to_owned())),
            Some(("tcp", endpoint)) => self.streams.push((false, endpoint.to_owned())),
            _ => self.streams.push((false, address)), // `bind` knows the others
        }
    }

    fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.datagrams.is_empty()
    }

    fn need_certificate(&self) -> bool {
        self.streams.iter().any(|(is_secret, _)| *is_secret)
    }

    fn serve_streams(
        &self,
        reactor: &mut Reactor<()>,
        listeners: Vec<Listener>,
        secret: Option<&Secret>,
    ) -> Result {
        for (listener, (is_secret, _)) in listeners.into_iter().zip(&self.streams) {
            let listener = match secret {
                Some(secret) if *is_secret => listener.with_tls(&secret.server),
                _ => listener,
            };
            reactor.listen_on(listener, Echo)?;
        }
        Ok(())
    }

    fn serve_datagrams(&self, reactor: &mut Reactor<()>) -> Result {
        for endpoint in &self.datagrams {
            let socket = reactor.bind_udp(endpoint)?;
            println!("listening on {}", socket.local()?);
            reactor.register_udp(socket, Echo)?;
        }
        Ok(())
    }
}

fn main() -> Result {
    let mut places = Places::default();
    let mut certificate = Certificate::default();
    let mut reactors = 1;
    let mut builder = Reactor::builder();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut next = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--driver" => builder = builder.driver(next()?.parse()?),
            "--record" => {
                let recording = Recording::new(next()?, "echo", env!("CARGO_PKG_VERSION"));
                builder = builder.record(recording);
            }
            "--reactors" => {
                reactors = next()?.parse().map_err(|_| "--reactors needs a number")?;
            }
            "--cert" => certificate.cert = next()?,
            "--key" => certificate.key = next()?,
            "--self-signed" => certificate.is_self_signed = true,
            "-h" | "--help" => {
                print!("{USAGE}");
                return Ok(());
            }
            _ => places.add(argument),
        }
    }
    if places.is_empty() {
        places.add("localhost:7777".to_owned());
    }
    let secret = match places.need_certificate() {
        true => Some(certificate.read()?),
        false => None,
    };
    if reactors > 1 {
        return serve_by_many(reactors, builder, &places, secret.as_ref());
    }
    let mut reactor = builder.build(())?;
    let mut listeners = Vec::new();
    for (_, endpoint) in &places.streams {
        let listener = reactor.bind(endpoint)?;
        println!("listening on {}", listener.local()?);
        listeners.push(listener);
    }
    places.serve_streams(&mut reactor, listeners, secret.as_ref())?;
    places.serve_datagrams(&mut reactor)?;
    secret.map_or(Ok(()), |secret| secret.reload_at_hangup(&mut reactor))?;
    reactor.run()
}

/// A thread for each reactor; connections are spread over them.
fn serve_by_many(
    reactors: usize,
    builder: Builder,
    places: &Places,
    secret: Option<&Secret>,
) -> Result {
    let mut group = ReactorGroup::new(reactors).builder(builder);
    for (_, endpoint) in &places.streams {
        println!("listening on {}", group.bind(endpoint)?);
    }
    group.run(
        |_| (),
        |reactor, mut member| {
            places.serve_streams(reactor, member.take_listeners(), secret)?;
            if member.index() > 0 {
                return Ok(());
            }
            places.serve_datagrams(reactor)?;
            secret.map_or(Ok(()), |secret| secret.clone().reload_at_hangup(reactor))
        },
    )
}
