//! The smallest server: it sends back what it receives.
//! `echo [--driver auto|readiness|io_uring] [--record FILE] [--reactors N] [ADDR]` (default
//! `localhost:7777`, one reactor), where ADDR is `HOST:PORT`, or `unix://PATH` for a Unix socket.
//! It must never do more than that: `bench/` measures the reactor with it.

use switchboard::{Builder, Context, Handler, Reactor, ReactorGroup, Recording, Result, Stream};

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

fn main() -> Result {
    let mut address = "localhost:7777".to_owned();
    let mut reactors = 1;
    let mut builder = Reactor::builder();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--driver" => builder = builder.driver(arguments.next().unwrap_or_default().parse()?),
            "--record" => {
                let file = arguments.next().ok_or("--record needs a file")?;
                let recording = Recording::new(file, "echo", env!("CARGO_PKG_VERSION"));
                builder = builder.record(recording);
            }
            "--reactors" => {
                let number = arguments.next().unwrap_or_default().parse();
                reactors = number.map_err(|_| "--reactors needs a number")?;
            }
            _ => address = argument,
        }
    }
    if reactors > 1 {
        return serve_by_many(reactors, builder, &address);
    }
    let mut reactor = builder.build(())?;
    let listener = reactor.bind(&address)?;
    println!("listening on {}", listener.local()?);
    reactor.listen_on(listener, Echo)?;
    reactor.run()
}

/// A thread for each reactor; connections are spread over them.
fn serve_by_many(reactors: usize, builder: Builder, address: &str) -> Result {
    let mut group = ReactorGroup::new(reactors).builder(builder);
    println!("listening on {}", group.bind(address)?);
    group.run(
        |_| (),
        |reactor, mut member| {
            for listener in member.take_listeners() {
                reactor.listen_on(listener, Echo)?;
            }
            Ok(())
        },
    )
}
