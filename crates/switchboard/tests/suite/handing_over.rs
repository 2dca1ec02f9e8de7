//! What a program hands to the reactor: a connection with its timer, a descriptor, a job. The
//! reactor keeps it, begins it, or lets it go, and what goes wrong in that ends nothing else.

#[cfg(unix)]
use std::io::{PipeReader, Write, pipe};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc;
use std::time::Duration;

#[cfg(unix)]
use switchboard::Interest;

use crate::probe::Probe;
use crate::world::World;

/// How a server gives whoever connects so long to say who it is.
pub fn a_source_can_be_registered_with_a_timer(world: &mut World) {
    const DELAY: Duration = Duration::from_millis(20);
    let probe = Probe::new("listener").on_accepted(|_, cx, stream| {
        let token = cx.register(stream, Probe::new("near"))?;
        cx.set_source_timer(token, DELAY).map(drop)
    });
    let (_, address) = world.listen(probe);
    let peer = world.dial(address);
    world.drive_until("it", |world| world.log().has("listener", "accepted"));
    let start = world.now();
    world.drive_until("the timer", |world| world.log().has("near", "timer"));
    let took = world.now() - start;
    assert!(took < Duration::from_secs(5), "it came after {took:?}");
    world.elapse(2 * DELAY);
    assert_eq!(world.log().of("near"), ["timer"], "once");
    assert_eq!(world.log().of("listener"), ["accepted"], "to none else");
    world.leave(peer);
    assert_eq!(world.drive_to_end("near"), "Eof");
}

/// Lends a descriptor that somebody else owns, and complains when it is let go.
#[cfg(unix)]
struct Complaining(&'static PipeReader);

#[cfg(unix)]
impl AsFd for Complaining {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(unix)]
impl Drop for Complaining {
    fn drop(&mut self) {
        panic!("let go");
    }
}

#[cfg(unix)]
pub fn a_panic_of_a_descriptor_that_cannot_be_watched_is_contained(world: &mut World) {
    let (near, mut far) = pipe().expect("a pipe can be made");
    let near: &'static PipeReader = Box::leak(Box::new(near));
    let probe = Probe::new("first").on_ready(|log, cx, _| {
        log.note("ready");
        cx.close();
        Ok(())
    });
    let token = world.with(|cx| cx.watch(near, Interest::Read, probe));
    token.expect("there is room");
    world.settle();
    let posted = world.reactor.remote().post(move |_, cx| {
        let token = cx.watch(Complaining(near), Interest::Read, Probe::new("second"));
        token.expect("that it cannot be watched twice shows later");
    });
    posted.expect("there is room in the queue");
    world.turn(Duration::ZERO).expect("it ends no turn");
    assert_eq!(world.drive_to_end("second"), "Panicked(let go)");
    assert_eq!(world.log().of("second").len(), 1);
    far.write_all(b"x").expect("the pipe holds one byte");
    assert_eq!(world.drive_to_end("first"), "Requested");
    assert!(world.log().has("first", "ready"), "it is watched as before");
}

pub fn jobs_that_no_thread_has_begun_are_dropped_with_the_reactor(world: &mut World) {
    const THREADS: usize = 2;
    const WAITING: usize = 50;
    world.rebuild(|builder| builder.threads(THREADS));
    let (tell, told) = mpsc::channel();
    let mut gates = Vec::new();
    let mut held = Vec::new();
    for _ in 0..THREADS {
        let (gate, go_on) = mpsc::channel::<()>();
        gates.push(gate);
        held.push(go_on);
    }
    let probe = Probe::new("near").on_read(move |_, cx| {
        cx.recv(usize::MAX);
        for go_on in held.drain(..) {
            let tell = tell.clone();
            cx.offload(move || tell.send("begun").is_ok() && go_on.recv().is_ok())?;
        }
        for _ in 0..WAITING {
            let tell = tell.clone();
            cx.offload(move || tell.send("begun").is_ok())?;
        }
        Ok(())
    });
    let (_, peer) = world.open(probe);
    world.send(peer, "go");
    let mut begun = 0;
    world.drive_until("all threads", |_| {
        begun += told.try_iter().count();
        begun == THREADS
    });
    world.rebuild(|builder| builder); // drops the reactor, and does not wait for its jobs
    drop(gates);
    // Ends when all jobs have gone, with what they hold.
    begun += told.iter().count();
    assert_eq!(begun, THREADS, "of {WAITING} more that waited");
}
