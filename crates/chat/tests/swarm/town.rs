//! A host with clients on it: when they connect, how long they wait, and how they go. It must never
//! say what a client says.

use std::net::Shutdown;
use std::time::Duration;

use switchboard::{ConnectOptions, Context, LoopContext, Result, Time};

use crate::book::{Book, Phase};
use crate::irc::Irc;
use crate::plain::Plain;

pub const SERVER: &str = "server:8080";

/// A connection on which nothing was heard for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(40);

/// The state of such a host.
pub struct Town {
    pub book: Book,
    /// Who lives here, and what they speak.
    pub people: Vec<(usize, Speech)>,
}

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// With all capabilities.
    Irc,
    /// The same, from a browser.
    WebSocket,
    /// As in 1993.
    OldIrc,
    Plain,
}

/// A random number below `end`.
pub fn draw(cx: &mut LoopContext<'_, Town>, end: u64) -> u64 {
    cx.random() % end
}

/// One more connection of this person.
pub fn connect(town: &mut Town, cx: &mut LoopContext<'_, Town>, person: usize, speech: Speech) {
    town.book.nothing_heard(person);
    let options = ConnectOptions::default().with_timeout(Some(Duration::from_secs(5)));
    let begun = match speech {
        Speech::Plain => cx.connect_with(SERVER, options, Plain::new(person)),
        _ => cx.connect_with(SERVER, options, Irc::new(person, speech)),
    };
    begun.expect("a host has room for its people");
}

/// The connection is gone: another one, unless it is time to go.
pub fn come_back(town: &Town, cx: &mut LoopContext<'_, Town>, person: usize, speech: Speech) {
    town.book.nothing_heard(person);
    if town.book.phase.get() == Phase::Leaving {
        return;
    }
    let wait = Duration::from_millis(draw(cx, 1000) + 1);
    let back = cx.after(wait, move |town, cx| {
        if town.book.phase.get() != Phase::Leaving {
            connect(town, cx, person, speech);
        }
    });
    back.expect("a host has timers for its people");
}

/// Lets a client do the next thing in a while.
pub fn wait(town: &Town, cx: &mut Context<'_, Town>) -> Result {
    let millis = match town.book.phase.get() {
        Phase::Talking => draw(cx, 200) + 1,
        Phase::Silent | Phase::Settling | Phase::Leaving => draw(cx, 2000) + 200,
    };
    cx.set_timer(Duration::from_millis(millis)).map(drop)
}

/// Whether it is time to give a connection up.
pub fn is_lost(cx: &Context<'_, Town>, heard: Time) -> bool {
    cx.now() > heard + SILENCE_MAX
}

/// Ends a connection without a word, in one of the ways there are.
pub fn go(cx: &mut Context<'_, Town>) -> Result {
    match draw(cx, 3) {
        0 => cx.abort(),
        1 => cx.close(),
        _ => cx.shutdown(Shutdown::Write)?,
    }
    Ok(())
}

/// Takes one line off what has come, without its newline.
pub fn line(cx: &mut Context<'_, Town>) -> Option<Vec<u8>> {
    let end = cx.data().iter().position(|byte| *byte == b'\n')?;
    let mut line = cx.recv(end + 1).to_vec();
    line.pop();
    line.pop_if(|byte| *byte == b'\r');
    Some(line)
}
