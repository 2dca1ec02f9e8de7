//! The smallest server: it sends back what it receives.
//! `echo [--driver auto|readiness|io_uring] [--record FILE] [--reactors N] [ADDR..]` (default
//! `localhost:7777`, one reactor), where ADDR is `HOST:PORT` or `tcp://HOST:PORT`, `unix://PATH` for a
//! Unix socket, or `tls://HOST:PORT` with `--cert FILE --key FILE`, which SIGHUP has read again, or
//! `--self-signed`.
//! It must never do more than that: `bench/` measures the reactor with it.

#[path = "echo/certificate.rs"]
mod certificate;

use switchboard::{
    Builder, Context, Handler, Listener, Reactor, ReactorGroup, Recording, Result, Stream,
};

use certificate::{Certificate, Secret};

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
}

/// What is listened on.
struct Place {
    endpoint: String,
    is_secret: bool,
}

impl Place {
    fn new(address: &str) -> Place {
        let (endpoint, is_secret) = match address.split_once("://") {
            Some(("tls", endpoint)) => (endpoint, true),
            Some(("tcp", endpoint)) => (endpoint, false),
            _ => (address, false), // `bind` knows the others
        };
        Place {
            endpoint: endpoint.to_owned(),
            is_secret,
        }
    }
}

fn main() -> Result {
    let mut places = Vec::new();
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
            _ => places.push(Place::new(&argument)),
        }
    }
    if places.is_empty() {
        places.push(Place::new("localhost:7777"));
    }
    let secret = match places.iter().any(|place| place.is_secret) {
        true => Some(certificate.read()?),
        false => None,
    };
    if reactors > 1 {
        return serve_by_many(reactors, builder, &places, secret.as_ref());
    }
    let mut reactor = builder.build(())?;
    let mut listeners = Vec::new();
    for place in &places {
        let listener = reactor.bind(&place.endpoint)?;
        println!("listening on {}", listener.local()?);
        listeners.push(listener);
    }
    serve(&mut reactor, listeners, &places, secret.as_ref())?;
    secret.map_or(Ok(()), |secret| secret.reload_at_hangup(&mut reactor))?;
    reactor.run()
}

fn serve(
    reactor: &mut Reactor<()>,
    listeners: Vec<Listener>,
    places: &[Place],
    secret: Option<&Secret>,
) -> Result {
    for (listener, place) in listeners.into_iter().zip(places) {
        let listener = match secret {
            Some(secret) if place.is_secret => listener.with_tls(&secret.server),
            _ => listener,
        };
        reactor.listen_on(listener, Echo)?;
    }
    Ok(())
}

/// A thread for each reactor; connections are spread over them.
fn serve_by_many(
    reactors: usize,
    builder: Builder,
    places: &[Place],
    secret: Option<&Secret>,
) -> Result {
    let mut group = ReactorGroup::new(reactors).builder(builder);
    for place in places {
        println!("listening on {}", group.bind(&place.endpoint)?);
    }
    group.run(
        |_| (),
        |reactor, mut member| {
            serve(reactor, member.take_listeners(), places, secret)?;
            match secret {
                Some(secret) if member.index() == 0 => secret.clone().reload_at_hangup(reactor),
                _ => Ok(()),
            }
        },
    )
}
