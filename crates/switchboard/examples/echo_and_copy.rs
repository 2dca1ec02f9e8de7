//! An echo server that also copies a file, whenever SIGUSR1 comes: what it does with files holds no
//! connection up. `echo_and_copy [--driver auto|readiness|io_uring] FROM TO [ADDR]` (default
//! `localhost:7777`).
//! It must never do more than that: `bench/` compares it with a copy by another program.

use switchboard::{
    Context, Driver, FileDone, FileOutcome, Handler, OpenOptions, Reactor, Result, Stream, signal,
};

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

/// Copies at each signal.
struct Copier {
    from: String,
    to: String,
}

impl Handler<()> for Copier {
    fn handle_signal(&mut self, _: &mut (), cx: &mut Context<'_, ()>, _: i32) -> Result {
        let from = cx.open_file(&self.from, OpenOptions::new().read(true))?;
        let new = OpenOptions::new().write(true).create(true).truncate(true);
        let to = cx.open_file(&self.to, new)?;
        cx.copy_file(from, to)?;
        cx.close_file(from)?;
        cx.close_file(to).map(drop)
    }

    fn handle_file(&mut self, _: &mut (), _: &mut Context<'_, ()>, done: FileDone) -> Result {
        if let FileOutcome::Copied { len } = done.result? {
            println!("copied {len} bytes");
        }
        Ok(())
    }
}

fn main() -> Result {
    let mut driver = Driver::default();
    let mut words = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--driver" => driver = arguments.next().unwrap_or_default().parse()?,
            _ => words.push(argument),
        }
    }
    let mut words = words.into_iter();
    let (Some(from), Some(to)) = (words.next(), words.next()) else {
        return Err("usage: echo_and_copy [--driver NAME] FROM TO [ADDR]".into());
    };
    let address = words.next().unwrap_or_else(|| "localhost:7777".to_owned());
    let mut reactor = Reactor::builder().driver(driver).build(())?;
    let copier = Copier { from, to };
    reactor.with(|_, cx| cx.signals(&[signal::SIGUSR1], copier))?;
    let listener = reactor.bind(&address)?;
    println!("listening on {}", listener.local()?);
    reactor.listen_on(listener, Echo)?;
    reactor.run()
}
