//! How random programs are made: mostly of small numbers and few connections, so that what is asked
//! for meets; and so that a failing one shrinks to a few lines.
//! It must never make a program that breaks the library's own preconditions.
//!
//! The parts are boxed: a choice holds the values of all its alternatives, and so would the stack.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use switchboard::OutboxPolicy;

use crate::program::{
    Accept, Behaviour, Bounds, Drive, Ending, Event, Happening, How, Limits, Pick, Program,
    Reading, Script, Step, Target,
};

/// Programs in which everything may meet everything: only what holds at all times can be checked.
pub fn racing() -> impl Strategy<Value = Program> {
    let event = (happening(false), drive()).prop_map(|(what, then)| Event { what, then });
    let limits = limits(false);
    let ending = prop_oneof![
        5 => Just(Ending::CloseAll),
        2 => Just(Ending::Shutdown),
        1 => Just(Ending::Abort),
        2 => Just(Ending::Drop),
    ];
    (limits, vec(event, 1..24), ending).prop_map(|(limits, events, ending)| Program {
        limits,
        events,
        ending,
        in_step: false,
    })
}

/// Programs whose events wait for one another, so that every world gives the same.
pub fn in_step() -> impl Strategy<Value = Program> {
    let event = happening(true).prop_map(|what| Event {
        what,
        then: Drive::Rest,
    });
    (limits(true), vec(event, 1..16)).prop_map(|(limits, events)| Program {
        limits,
        events,
        ending: Ending::CloseAll,
        in_step: true,
    })
}

fn drive() -> impl Strategy<Value = Drive> {
    prop_oneof![
        2 => Just(Drive::Rest),
        3 => (0usize..4).prop_map(Drive::Turns),
    ]
}

fn limits(in_step: bool) -> BoxedStrategy<Limits> {
    let max_sources = prop_oneof![8 => Just(1000usize), 1 => 2usize..5];
    let max_buffered = prop_oneof![6 => Just(1usize << 30), 1 => 1_000usize..60_000];
    let max_posts = prop_oneof![4 => Just(1024usize), 1 => 1usize..4];
    let max_jobs = prop_oneof![4 => Just(1024usize), 1 => 0usize..3];
    let close_timeout = prop_oneof![4 => Just(10_000u64), 1 => 1u64..30];
    let narrow = option::weighted(0.7, Just(4096usize));
    let accepts = vec(accept(), 0..3);
    (
        (max_sources, max_buffered, max_posts, max_jobs),
        (close_timeout, narrow, bounds(), accepts),
    )
        .prop_map(move |(first, second)| {
            let limits = Limits {
                max_sources: first.0,
                max_buffered: first.1,
                max_posts: first.2,
                max_jobs: first.3,
                close_timeout_millis: second.0,
                narrow: second.1,
                bounds: second.2,
                accepts: second.3,
            };
            if in_step {
                // What these do depends on when something has ended or gone out.
                let wide = Limits {
                    max_sources: 1000,
                    max_buffered: 1 << 30,
                    max_jobs: 1024,
                    close_timeout_millis: 10_000,
                    narrow: None,
                    ..limits
                };
                return wide;
            }
            limits
        })
        .boxed()
}

fn accept() -> BoxedStrategy<Accept> {
    prop_oneof![
        6 => behaviour().prop_map(|own| Accept::Register(Box::new(own))),
        1 => Just(Accept::Drop),
        1 => Just(Accept::Fail),
        1 => Just(Accept::Panic),
    ]
    .boxed()
}

fn happening(in_step: bool) -> BoxedStrategy<Happening> {
    let len = prop_oneof![2 => length(), 1 => 5_000usize..60_000];
    let arrive = (pick(), len, script(3)).prop_map(|(at, len, steps)| Happening::Arrive {
        at,
        len: len.max(1),
        steps,
    });
    let determinate = prop_oneof![
        4 => behaviour().prop_map(Happening::Open),
        2 => Just(Happening::Dial),
        2 => behaviour().prop_map(Happening::Connect),
        10 => arrive,
        2 => pick().prop_map(Happening::Finish),
        1 => pick().prop_map(Happening::Reset),
        1 => pick().prop_map(Happening::Leave),
        3 => script(3).prop_map(Happening::Ask),
    ]
    .boxed();
    if in_step {
        return determinate.boxed();
    }
    prop_oneof![
        10 => determinate,
        3 => (pick(), any::<bool>()).prop_map(|(at, reads)| Happening::SetReads(at, reads)),
        2 => pick().prop_map(|at| Happening::SetReads(at, false)),
        1 => (0u64..4).prop_map(Happening::Pass),
    ]
    .boxed()
}

fn pick() -> impl Strategy<Value = Pick> {
    (0usize..6).prop_map(Pick)
}

fn target() -> BoxedStrategy<Target> {
    prop_oneof![
        3 => Just(Target::Me),
        2 => pick().prop_map(Target::Any),
    ]
    .boxed()
}

/// Mostly small ones; some around the lengths at which the library goes another way.
fn length() -> BoxedStrategy<usize> {
    prop_oneof![
        6 => 0usize..60,
        3 => 500usize..530,
        2 => 1_000usize..1_050,
        2 => 3_000usize..9_000,
        2 => 16_000usize..17_000,
        1 => 30_000usize..80_000,
        1 => 250_000usize..300_000,
    ]
    .boxed()
}

fn bounds() -> BoxedStrategy<Bounds> {
    let marks = prop_oneof![
        4 => Just((64 * 1024, 1024 * 1024)),
        1 => Just((0usize, 1_000usize)),
        1 => Just((100, 2_000)),
        1 => Just((1_000, 20_000)),
        1 => Just((16_000, 70_000)),
    ];
    let inbox = prop_oneof![
        6 => Just(256 * 1024usize),
        1 => 1usize..50,
        2 => 500usize..2_000,
        1 => 10_000usize..30_000,
    ];
    let policy = prop_oneof![
        3 => Just(OutboxPolicy::Refuse),
        1 => Just(OutboxPolicy::Disconnect),
        1 => Just(OutboxPolicy::DropOldest),
    ];
    let backpressure = prop_oneof![
        3 => Just(None),
        1 => any::<bool>().prop_map(Some),
    ];
    (marks, inbox, policy, backpressure)
        .prop_map(|((low, high), inbox, policy, backpressure)| Bounds {
            low,
            high,
            inbox,
            policy,
            backpressure,
        })
        .boxed()
}

fn reading() -> BoxedStrategy<Reading> {
    prop_oneof![
        3 => Just(Reading::All),
        3 => Just(Reading::Messages),
        2 => prop_oneof![1usize..20, 500usize..20_000].prop_map(Reading::Portions),
        1 => Just(Reading::Shy),
        1 => (1usize..300).prop_map(Reading::Lagging),
    ]
    .boxed()
}

fn behaviour() -> BoxedStrategy<Behaviour> {
    let scripts = || vec(script(1), 0..2);
    (
        (reading(), option::weighted(0.3, bounds())),
        (scripts(), scripts(), scripts(), scripts()),
        (scripts(), scripts(), scripts()),
    )
        .prop_map(|(own, first, second)| Behaviour {
            reading: own.0,
            bounds: own.1,
            connect: first.0,
            eof: first.1,
            write: first.2,
            timer: first.3,
            done: second.0,
            error: second.1,
            close: second.2,
        })
        .boxed()
}

fn script(depth: u32) -> BoxedStrategy<Script> {
    vec(step(depth), 0..4).boxed()
}

fn step(depth: u32) -> BoxedStrategy<Step> {
    let how = prop_oneof![
        3 => Just(How::Copied),
        1 => Just(How::Owned),
        1 => Just(How::Shared),
    ];
    let simple = prop_oneof![
        16 => (target(), length(), how).prop_map(|(at, len, how)| Step::Send(at, len, how)),
        8 => (target(), prop_oneof![2 => Just(usize::MAX), 1 => length()])
            .prop_map(|(at, len)| Step::Forward(at, len)),
        2 => target().prop_map(Step::Close),
        1 => target().prop_map(Step::Abort),
        2 => target().prop_map(Step::ShutWrite),
        1 => target().prop_map(Step::ShutRead),
        2 => target().prop_map(Step::Pause),
        3 => target().prop_map(Step::Resume),
        2 => (target(), bounds()).prop_map(|(at, bounds)| Step::SetBounds(at, bounds)),
        3 => (target(), 0u64..4).prop_map(|(at, millis)| Step::Timer(at, millis)),
        1 => (1u64..4).prop_map(Step::Interval),
        2 => pick().prop_map(Step::Cancel),
        2 => any::<(bool, bool)>().prop_map(|(panics, on_lane)| Step::Offload(panics, on_lane)),
        1 => Just(Step::Again),
        1 => Just(Step::Replace),
        1 => Just(Step::Fail),
        1 => Just(Step::Panic),
    ]
    .boxed();
    if depth == 0 {
        return simple.boxed();
    }
    let own = move || {
        let reading = (reading(), option::weighted(0.3, bounds()));
        reading.prop_map(|(reading, bounds)| {
            let quiet = Behaviour::default();
            Box::new(Behaviour {
                reading,
                bounds,
                ..quiet
            })
        })
    };
    prop_oneof![
        30 => simple,
        1 => (0u64..4, script(depth - 1)).prop_map(|(millis, script)| Step::After(millis, script)),
        2 => script(depth - 1).prop_map(Step::Post),
        1 => own().prop_map(Step::Register),
        1 => (any::<bool>(), own()).prop_map(|(there, own)| Step::Connect(there, own)),
    ]
    .boxed()
}
