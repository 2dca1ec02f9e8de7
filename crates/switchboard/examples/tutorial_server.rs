//! The tutorial's one-sided chat server, side by side with its Python original: every read of at
//! most 8192 bytes is answered `Message received`. `tutorial_server [ADDR]` (default
//! `localhost:8080`). It must never grow beyond what can be compared line for line: the chat for
//! real use is `switchboard serve`.

use switchboard::{Close, Context, Handler, Reactor, Result, Stream, Token};

#[derive(Default)]
struct Room {
    clients: Vec<Token>,
}

struct Server;

impl Handler<Room> for Server {
    fn handle_accepted(
        &mut self,
        room: &mut Room,
        cx: &mut Context<'_, Room>,
        stream: Stream,
    ) -> Result {
        println!("Incoming connection from {}", stream.peer()?);
        room.clients.push(cx.register(stream, Client)?);
        Ok(())
    }
}

struct Client;

impl Handler<Room> for Client {
    fn handle_read(&mut self, _: &mut Room, cx: &mut Context<'_, Room>) -> Result {
        let data = cx.recv(8192);
        println!("[client] : {}", data.escape_ascii());
        cx.send("Message received")
    }

    fn handle_close(&mut self, room: &mut Room, cx: &mut Context<'_, Room>, _: &Close) {
        let me = cx.token();
        room.clients.retain(|client| *client != me);
        println!("Client has left the building");
    }
}

fn main() -> Result {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "localhost:8080".into());
    let mut reactor = Reactor::new(Room::default())?;
    reactor.listen(address, Server)?;
    reactor.run()
}
