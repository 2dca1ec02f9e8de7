//! Accounts: the conversations of RFC 7677 and of IRC, with honest and with other clients.

mod hostile;
mod sasl;
mod scram;
mod town;
