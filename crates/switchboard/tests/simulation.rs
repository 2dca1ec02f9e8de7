//! The simulation: that it repeats, that its network is TCP, and that its faults happen.

#[path = "simulation/attempts.rs"]
mod attempts;
#[path = "simulation/chat.rs"]
mod chat;
#[path = "simulation/datagrams.rs"]
mod datagrams;
#[cfg(unix)] // its scripts raise signals
#[path = "simulation/disks.rs"]
mod disks;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/files.rs"]
mod files;
#[path = "simulation/hostile_scripts.rs"]
mod hostile_scripts;
#[cfg(unix)] // its scripts raise signals
#[path = "simulation/hosts.rs"]
mod hosts;
#[cfg(unix)] // its scripts raise signals
#[path = "simulation/lanes.rs"]
mod lanes;
#[path = "simulation/limits.rs"]
mod limits;
#[cfg(unix)] // its scripts raise signals
#[path = "simulation/names.rs"]
mod names;
#[path = "simulation/repeating.rs"]
mod repeating;
#[path = "simulation/scripts.rs"]
mod scripts;
#[path = "simulation/tcp.rs"]
mod tcp;
