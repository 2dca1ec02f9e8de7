//! Who somebody is: names, passwords, certificates, and the conversations that prove them.
//!
//! Everything here is driven by calls. Random bytes come in as arguments, what the store knows of
//! an account comes in as an answer, and whatever is slow on purpose is a value that the caller
//! takes to another thread. It must never read a clock, a socket or the system's randomness, so that
//! a simulation of a server with accounts is repeatable.
//!
//! * [`names`]: which account names are acceptable, and which are the same.
//! * [`password`]: which passwords are acceptable, and what bytes stand for one.
//! * [`fingerprint`]: client certificates.
//! * [`verifier`]: what is stored instead of a password.
//! * [`decoys`]: what stands in for the verifier of an account that does not exist.
//! * [`scram`]: SCRAM-SHA-256, both sides.
//! * [`sasl`]: the exchange that a line protocol carries, of any mechanism.

pub mod decoys;
pub mod fingerprint;
pub mod names;
pub mod password;
pub mod sasl;
pub mod scram;
pub mod verifier;
