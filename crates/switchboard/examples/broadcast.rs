//! What comes from any connection goes to all of them, the sender among them.
//! `broadcast [--driver auto|readiness|io_uring] [ADDR]` (default `localhost:7777`).
//! It must never do more than that: `bench/` measures with it what a delivered message costs.

use switchboard::{Bytes, Close, Context, Driver, Handler, Reactor, Result, Stream, Token};

#[derive(Default)]
struct Room {
    members: Vec<Token>,
}

struct Member;

impl Handler<Room> for Member {
    fn handle_accepted(
        &mut self,
        room: &mut Room,
        cx: &mut Context<'_, Room>,
        stream: Stream,
    ) -> Result {
        room.members.push(cx.register(stream, Member)?);
        Ok(())
    }

    fn handle_read(&mut self, room: &mut Room, cx: &mut Context<'_, Room>) -> Result {
        // One copy out of the driver's buffer, which all outboxes then share.
        let message = Bytes::copy_from_slice(cx.recv(usize::MAX));
        for member in &room.members {
            // A member that is gone, or too slow to be told, is no reason to stop.
            let _ = cx.send_to(*member, message.clone());
        }
        Ok(())
    }

    fn handle_close(&mut self, room: &mut Room, cx: &mut Context<'_, Room>, _: &Close) {
        let gone = cx.token();
        room.members.retain(|member| *member != gone);
    }
}

fn main() -> Result {
    let mut address = "localhost:7777".to_owned();
    let mut driver = Driver::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--driver" => driver = arguments.next().unwrap_or_default().parse()?,
            _ => address = argument,
        }
    }
    let mut reactor = Reactor::builder().driver(driver).build(Room::default())?;
    let listener = reactor.bind(&address)?;
    println!("listening on {}", listener.local()?);
    reactor.listen_on(listener, Member)?;
    reactor.run()
}
