//! An echo server that a new process can replace while clients come and go: run the same command
//! once more, and the first one ends when its clients have gone.
//! `upgradable [--driver auto|readiness|io_uring] [--reactors N] [--limit SECONDS] --upgrade PATH [ADDR]`
//! (default `localhost:7777`, one reactor, and 60 s for clients to end); a Unix socket is `unix://PATH`.
//! It must never be taken for what other systems than Linux can do.

#[cfg(target_os = "linux")]
#[path = "upgradable/server.rs"]
mod server;

#[cfg(target_os = "linux")]
fn main() -> switchboard::Result {
    server::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> switchboard::Result {
    Err("a running server can be replaced on Linux only".into())
}
