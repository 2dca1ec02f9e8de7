//! The server of the example `upgradable`. It must never need to know whether it is the first one or
//! takes over: both do the same.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use switchboard::service::ServiceManager;
use switchboard::signal::{SIGINT, SIGTERM};
use switchboard::upgrade::Upgrade;
use switchboard::{
    Builder, Context, Endpoint, Handler, Listener, LoopContext, Reactor, ReactorGroup, Result,
    Stream, ToEndpoint,
};

struct Echo;

impl Handler<()> for Echo {
    fn handle_accepted(&mut self, (): &mut (), cx: &mut Context<'_, ()>, stream: Stream) -> Result {
        cx.register(stream, Echo).map(drop)
    }

    fn handle_read(&mut self, (): &mut (), cx: &mut Context<'_, ()>) -> Result {
        let data = cx.recv(usize::MAX);
        cx.send(data)
    }
}

struct Options {
    builder: Builder,
    reactors: usize,
    limit: Duration,
    path: String,
    address: String,
}

pub fn main() -> Result {
    let options = options()?;
    let mut upgrade = Upgrade::at(&options.path)?;
    let mut listeners = upgrade.inherited().take_listeners("echo");
    if listeners.is_empty() {
        listeners = bind(&options)?; // nobody serves yet
    }
    for listener in &listeners {
        upgrade.offer("echo", listener)?;
    }
    println!("listening on {}", listeners[0].local()?);
    serve(&options, upgrade, listeners)?;
    println!("over");
    Ok(())
}

/// A listener for each reactor, or a single one where there cannot be more.
fn bind(options: &Options) -> Result<Vec<Listener>> {
    match options.address.to_endpoint()? {
        Endpoint::Unix(path) => Ok(vec![Listener::bind(path)?]),
        address => Listener::bind_several(address, options.reactors),
    }
}

fn serve(options: &Options, upgrade: Upgrade, listeners: Vec<Listener>) -> Result {
    let manager = ServiceManager::from_env()?;
    let mut group = ReactorGroup::new(options.reactors).builder(options.builder.clone());
    group.listen_on(listeners)?;
    let (upgrade, ready) = (Mutex::new(Some(upgrade)), AtomicUsize::new(0));
    group.run(
        |_| (),
        |reactor, mut member| {
            for listener in member.take_listeners() {
                reactor.listen_on(listener, Echo)?;
            }
            if let Some(manager) = &manager {
                reactor.report_to(manager.clone())?;
            }
            if ready.fetch_add(1, Ordering::AcqRel) + 1 < options.reactors {
                return Ok(());
            }
            // All are there: from now on this process is the server.
            reactor.stop_on_signals(&[SIGINT, SIGTERM])?;
            let upgrade = upgrade.lock().map(|mut upgrade| upgrade.take());
            let upgrade = upgrade.ok().flatten().ok_or("a setup has panicked")?;
            let (limit, remotes) = (options.limit, member.remotes().clone());
            upgrade.serve(reactor, move |(), _| {
                println!("handed over");
                for remote in remotes.iter() {
                    let drain = move |_: &mut (), cx: &mut LoopContext<'_, ()>| cx.drain(limit);
                    if remote.post(drain).is_err() {
                        eprintln!("a reactor is too busy to be told to drain");
                    }
                }
            })?;
            println!("serving");
            Ok(())
        },
    )
}

fn options() -> Result<Options> {
    let mut options = Options {
        builder: Reactor::builder(),
        reactors: 1,
        limit: Duration::from_secs(60),
        path: String::new(),
        address: "localhost:7777".to_owned(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--driver" => options.builder = options.builder.driver(value()?.parse()?),
            "--upgrade" => options.path = value()?,
            "--reactors" => {
                options.reactors = match value()?.parse() {
                    Ok(reactors @ 1..) => reactors,
                    _ => return Err("--reactors needs a number from 1 on".into()),
                }
            }
            "--limit" => {
                let seconds = value()?.parse();
                let seconds = seconds.map_err(|_| "--limit needs whole seconds")?;
                options.limit = Duration::from_secs(seconds);
            }
            _ => options.address = argument,
        }
    }
    match options.path.is_empty() {
        true => Err("--upgrade PATH is missing: where a new process finds this one".into()),
        false => Ok(options),
    }
}
