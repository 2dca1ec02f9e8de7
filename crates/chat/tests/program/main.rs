//! The program as it is run: real processes, real sockets, on a port that the system chooses.

mod account;
mod connect;
mod farewell;
mod limits;
mod replay;
mod rooms;
mod secure;
mod serve;
mod speaker;
#[cfg(target_os = "linux")]
mod takeover;
mod world;
