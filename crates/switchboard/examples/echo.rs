//! The smallest server: it sends back what it receives. `echo [ADDR]` (default `localhost:7777`).
//! It must never do more than that: `bench/` measures the reactor with it.

use switchboard::{Context, Handler, Reactor, Result, TcpListener, TcpStream};

struct Echo;

impl Handler<()> for Echo {
    fn handle_accepted(
        &mut self,
        _: &mut (),
        cx: &mut Context<'_, ()>,
        stream: TcpStream,
    ) -> Result {
        cx.register(stream, Echo)?;
        Ok(())
    }

    fn handle_read(&mut self, _: &mut (), cx: &mut Context<'_, ()>) -> Result {
        let data = cx.recv(usize::MAX);
        cx.send(data)
    }
}

fn main() -> Result {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "localhost:7777".into());
    let listener = TcpListener::bind(&address)?;
    println!("listening on {}", listener.local()?);
    let mut reactor = Reactor::new(())?;
    reactor.listen_on(listener, Echo)?;
    reactor.run()
}
