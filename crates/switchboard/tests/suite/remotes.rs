//! Closures from other threads: each runs once, in the order of its thread, and the bound on those
//! that wait is told to whoever posts.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use switchboard::{LoopContext, Post, PostError, Remote};

use crate::probe::{Log, Probe};
use crate::world::World;

/// How long a turn may sleep that is to be woken. Reached only by a case that fails.
const LONG: Duration = Duration::from_secs(8);

/// Posts, as often as it takes.
fn insist(
    remote: &Remote<Log>,
    closure: impl FnOnce(&mut Log, &mut LoopContext<'_, Log>) + Send + 'static,
) {
    let mut closure: Post<Log> = Box::new(closure);
    while let Err(PostError(back)) = remote.post(closure) {
        closure = back;
        thread::yield_now();
    }
}

pub fn the_posts_of_many_threads_all_run_in_their_order(world: &mut World) {
    const THREADS: usize = 8;
    const POSTS: usize = 1000;
    world.rebuild(|builder| builder.max_posts(64));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let remote = world.reactor.remote();
            thread::spawn(move || {
                for i in 0..POSTS {
                    insist(&remote, move |log, _| {
                        log.note_of("post", format_args!("{thread} {i}"));
                    });
                }
            })
        })
        .collect();
    world.drive_until("all of them", |world| world.reactor.is_done());
    for thread in threads {
        thread.join().expect("it has posted all");
    }
    let notes = world.log().of("post");
    assert_eq!(notes.len(), THREADS * POSTS);
    for thread in 0..THREADS {
        let prefix = format!("{thread} ");
        let of_thread = notes.iter().filter_map(|note| note.strip_prefix(&prefix));
        let expected = (0..POSTS).map(|i| i.to_string());
        assert!(of_thread.eq(expected), "the order of thread {thread}");
    }
}

fn noting(text: &'static str) -> impl FnOnce(&mut Log, &mut LoopContext<'_, Log>) + Send {
    move |log, _| log.note_of("post", text)
}

pub fn a_full_queue_gives_the_closure_back(world: &mut World) {
    world.rebuild(|builder| builder.max_posts(2));
    let remote = world.reactor.remote();
    remote.post(noting("first")).expect("there is room");
    remote.post(noting("second")).expect("there is room");
    let Err(PostError(third)) = remote.post(noting("third")) else {
        panic!("there was room for a third");
    };
    let error = PostError(third);
    assert!(error.to_string().contains("full"), "{error}");
    world.turn(Duration::ZERO).expect("a turn goes well");
    assert_eq!(world.log().of("post"), ["first", "second"]);
    remote.post(error.0).expect("there is room again");
    world.turn(Duration::ZERO).expect("a turn goes well");
    assert_eq!(world.log().of("post"), ["first", "second", "third"]);
}

/// A thread that insists may get its closure back very often: that must leave no trace in it.
pub fn a_closure_that_came_back_very_often_still_runs(world: &mut World) {
    world.rebuild(|builder| builder.max_posts(1));
    let remote = world.reactor.remote();
    remote.post(noting("first")).expect("there is room");
    let mut second: Post<Log> = Box::new(noting("second"));
    for _ in 0..200_000 {
        let PostError(back) = remote.post(second).expect_err("there is no room");
        second = back;
    }
    world.turn(Duration::ZERO).expect("a turn goes well");
    remote.post(second).expect("there is room again");
    world.turn(Duration::ZERO).expect("a turn goes well");
    assert_eq!(world.log().of("post"), ["first", "second"]);
}

/// Turns of a reactor that has nothing to do until somebody wakes it.
fn turn_until(world: &mut World, awaited: &str, done: impl Fn(&World) -> bool) {
    let start = Instant::now();
    while !done(world) {
        world.reactor.turn(Some(LONG)).expect("a turn goes well");
        assert!(start.elapsed() < LONG, "nobody woke it for: {awaited}");
    }
}

pub fn a_post_wakes_a_reactor_that_sleeps(world: &mut World) {
    let remote = world.reactor.remote();
    let (go_on, gate) = mpsc::channel();
    let thread = thread::spawn(move || {
        for i in 0..20 {
            gate.recv().expect("the case goes on");
            let again = remote.clone();
            insist(&remote, move |log, _| {
                log.note_of("post", i);
                drop(again);
            });
        }
    });
    for posts in 1..=20 {
        go_on.send(()).expect("the thread waits");
        turn_until(world, "a post", |world| {
            world.log().of("post").len() == posts
        });
    }
    thread.join().expect("it has posted all");
}

pub fn a_reactor_is_done_when_its_last_remote_is_gone(world: &mut World) {
    let remote = world.reactor.remote();
    let other = remote.clone();
    drop(remote);
    world.turn(Duration::ZERO).expect("a turn goes well");
    assert!(!world.reactor.is_done(), "there is another remote");
    let thread = thread::spawn(move || {
        insist(&other, noting("the last words"));
        drop(other);
    });
    turn_until(world, "the last remote", |world| world.reactor.is_done());
    world.reactor.run().expect("it is done");
    thread.join().expect("it has posted");
    assert_eq!(world.log().of("post"), ["the last words"]);
}

/// Whether the reactor sleeps already when the last one goes is chance, so it has many chances.
pub fn the_end_of_the_last_remote_wakes_a_reactor_that_sleeps(world: &mut World) {
    let (remotes, received) = mpsc::channel::<Remote<Log>>();
    let thread = thread::spawn(move || received.into_iter().for_each(drop));
    for _ in 0..50 {
        let remote = world.reactor.remote();
        remotes.send(remote).expect("the thread waits");
        turn_until(world, "the last remote", |world| world.reactor.is_done());
    }
    drop(remotes);
    thread.join().expect("it only drops");
}

/// It runs again and again, and everything else has its turn in between.
pub fn a_closure_that_posts_itself_does_not_hold_the_loop(world: &mut World) {
    fn again(remote: Remote<Log>) -> impl FnOnce(&mut Log, &mut LoopContext<'_, Log>) + Send {
        move |log, _| {
            if log.gate {
                return;
            }
            let next = Box::new(again(remote.clone())) as Post<Log>;
            remote.post(next).expect("there is room");
        }
    }
    let remote = world.reactor.remote();
    let (_, peer) = world.open(Probe::echo("near"));
    remote
        .post(again(remote.clone()))
        .expect("there is room for it");
    world.turn(Duration::ZERO).expect("a turn goes well");
    world.send(peer, "still there?");
    world.drive_until_received(peer, "still there?");
    world.reactor.state_mut().gate = true;
    world.settle();
}

pub fn a_reactor_that_is_gone_takes_no_posts(world: &mut World) {
    struct Told(mpsc::Sender<&'static str>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.send("dropped").expect("the case listens");
        }
    }
    let (tell, told) = mpsc::channel();
    let remote = world.reactor.remote();
    let post = |captured: Told| {
        let holder = remote.clone(); // would keep the queue alive that holds it
        remote.post(move |log: &mut Log, _| {
            log.note_of("post", "it ran");
            drop((captured, holder));
        })
    };
    post(Told(tell.clone())).expect("there is room in the queue");
    assert!(!remote.is_closed());
    world.rebuild(|builder| builder);
    assert_eq!(told.try_recv(), Ok("dropped"), "it waited in the queue");
    assert!(remote.is_closed());
    let given_back = post(Told(tell)).expect_err("nobody is there to run it");
    assert!(told.try_recv().is_err(), "it is not lost");
    drop(given_back);
    assert_eq!(told.try_recv(), Ok("dropped"));
    world.settle();
    assert!(world.log().of("post").is_empty());
}
