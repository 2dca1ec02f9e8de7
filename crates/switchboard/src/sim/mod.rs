//! A deterministic simulation: hosts, each with a reactor of its own, on a virtual network and in
//! virtual time, all of it repeated exactly from one number. Nothing in it may ever depend on the
//! wall clock, on addresses of memory, on the order of a hash map, or on another thread; a handler
//! that does brings that into the run, and must never, if the run is to be repeated.
//!
//! Begin with [`Simulation`]; then give it [`Faults`] by rate, or do things to it at given moments
//! by [script](Simulation::script). [`Disk`] is what survives a crash. [`Socket`] is a peer that a
//! test plays by hand.
//!
//! What is simulated: TCP as programs on Linux see it (windows and full buffers, half-close, the
//! reset of a connection that is closed with unread bytes, backlogs, retries and giving up,
//! keep-alive probes), UDP (what is too long, has no route, finds nobody or no room; refusals of a
//! connected socket), names
//! (a host's name is that of its address; `localhost` is the host itself), timers, jobs (each runs
//! in one piece at its virtual end, and those of a serial lane one after the other), posted
//! closures, signals. What is not: multicast, watched descriptors, and time within a handler's
//! call, which takes none.

mod action;
mod agenda;
mod dice;
mod disk;
mod ends;
mod failures;
mod faults;
mod host;
mod jobs;
mod names;
mod network;
mod packet;
mod schedule;
mod script;
mod simulation;
mod socket;
mod story;
mod swarm;
mod tcp;
mod udp;
mod world;

pub(crate) use dice::Purpose;
pub(crate) use ends::{MachineWaker, SimulatedListener, SimulatedStream, SimulatedUdp};
pub(crate) use network::ListenerId;
pub(crate) use schedule::TICK;
pub(crate) use story::Detail;
pub(crate) use tcp::EndId;
pub(crate) use udp::UdpId;
#[cfg(unix)]
pub(crate) use world::Signals;
pub(crate) use world::{Machine, MachineId, Shared, no_unix_sockets, perform};

pub use action::Action;
pub use disk::Disk;
pub use faults::{Counts, Fault, Faults};
pub use host::{Host, HostId};
pub use simulation::Simulation;
pub use socket::{Socket, SocketListener};
pub use swarm::{Failure, Passed, Swarm};
