//! A deterministic simulation: hosts, each with a reactor of its own, on a virtual network and in
//! virtual time, all of it repeated exactly from one number.

mod agenda;
mod dice;
mod ends;
mod faults;
mod host;
mod network;
mod packet;
mod simulation;
mod socket;
mod story;
mod tcp;
mod world;

pub(crate) use dice::Purpose;
pub(crate) use ends::{MachineWaker, SimulatedListener, SimulatedStream};
pub(crate) use network::ListenerId;
pub(crate) use story::Detail;
pub(crate) use tcp::EndId;
pub(crate) use world::{MachineId, Shared, Signals, perform};

pub use faults::{Counts, Fault, Faults};
pub use host::{Host, HostId};
pub use simulation::Simulation;
pub use socket::Socket;
