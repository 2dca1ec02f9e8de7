//! A server that has something to do for each message: it computes for a while, always the same,
//! and sends the message back. `work [--driver NAME] [--reactors N] [--pinned] [ADDR]`.
//! It must never do more than that: `bench/` compares one reactor with two by it.

use std::hint::black_box;

use switchboard::{Context, Handler, ReactorGroup, Result, Stream};

/// Bytes of one message.
const MESSAGE: usize = 64;

/// Steps for each message, each of which needs the result of the one before: a multiplication and
/// an exclusive or, so about five cycles. 40,000 of them are well over 20 µs on any machine of 2026.
const STEPS: usize = 40_000;

struct Work;

impl Handler<u64> for Work {
    fn handle_accepted(&mut self, _: &mut u64, cx: &mut Context<'_, u64>, s: Stream) -> Result {
        cx.register(s, Work).map(drop)
    }

    fn handle_read(&mut self, sum: &mut u64, cx: &mut Context<'_, u64>) -> Result {
        while cx.data().len() >= MESSAGE {
            let data = cx.recv(MESSAGE);
            *sum ^= black_box(compute(data));
            cx.send(data)?;
        }
        Ok(())
    }
}

/// FNV-1a (Fowler, Noll and Vo), over and over.
fn compute(data: &[u8]) -> u64 {
    let bytes = data.iter().cycle().take(STEPS);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn main() -> Result {
    let mut address = "localhost:7777".to_owned();
    let mut builder = switchboard::Reactor::builder();
    let (mut reactors, mut is_pinned) = (1, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--driver" => builder = builder.driver(arguments.next().unwrap_or_default().parse()?),
            "--reactors" => {
                let number = arguments.next().unwrap_or_default().parse();
                reactors = number.map_err(|_| "--reactors needs a number")?;
            }
            "--pinned" => is_pinned = true,
            _ => address = argument,
        }
    }
    let mut group = ReactorGroup::new(reactors).builder(builder);
    #[cfg(target_os = "linux")]
    {
        group = group.pinned(is_pinned);
    }
    #[cfg(not(target_os = "linux"))]
    if is_pinned {
        return Err("--pinned is for Linux only".into());
    }
    println!("listening on {}", group.bind(&address)?);
    group.run(
        |_| 0,
        |reactor, mut member| {
            for listener in member.take_listeners() {
                reactor.listen_on(listener, Work)?;
            }
            Ok(())
        },
    )
}
