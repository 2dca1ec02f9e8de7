//! The stores, by what their callers can see.

mod behaviour;
mod files;
mod log;
mod model;
mod versions;
mod world;
