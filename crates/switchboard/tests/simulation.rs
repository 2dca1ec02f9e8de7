//! The simulation: that it repeats, that its network is TCP, and that its faults happen.

#[path = "simulation/chat.rs"]
mod chat;
#[path = "simulation/repeating.rs"]
mod repeating;
