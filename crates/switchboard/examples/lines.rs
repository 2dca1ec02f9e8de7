//! A store that is spoken to in lines: `set KEY VALUE`, `get KEY`, `quit`.
//! `lines [ADDR]` (default `localhost:7778`); try it with `nc localhost 7778`.
//! It must never search for newlines itself: the codec does.

use std::collections::BTreeMap;

use switchboard::codec::{FrameContext, FrameHandler, Framed, Lines};
use switchboard::{Context, Handler, Reactor, Result, Stream};

type Store = BTreeMap<String, String>;

struct Server;

impl Handler<Store> for Server {
    fn handle_accepted(
        &mut self,
        _: &mut Store,
        cx: &mut Context<'_, Store>,
        stream: Stream,
    ) -> Result {
        let client = Framed::new(Lines::new().with_max(1000), Client);
        cx.register(stream, client).map(drop)
    }
}

struct Client;

impl FrameHandler<Store> for Client {
    type Codec = Lines;

    fn handle_frame(
        &mut self,
        store: &mut Store,
        cx: &mut FrameContext<'_, Store, Lines>,
        line: &[u8],
    ) -> Result {
        let line = std::str::from_utf8(line)?;
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("set"), Some(key), Some(value)) => {
                store.insert(key.to_owned(), value.to_owned());
                cx.send_frame("stored")
            }
            (Some("get"), Some(key), None) => {
                cx.send_frame(store.get(key).map_or("nothing", String::as_str))
            }
            (Some("quit"), None, None) => {
                cx.close();
                Ok(())
            }
            _ => cx.send_frame("say: set KEY VALUE, get KEY, or quit"),
        }
    }
}

fn main() -> Result {
    let address = std::env::args().nth(1);
    let mut reactor = Reactor::new(Store::new())?;
    let listener = reactor.bind(address.as_deref().unwrap_or("localhost:7778"))?;
    println!("listening on {}", listener.local()?);
    reactor.listen_on(listener, Server)?;
    reactor.run()
}
