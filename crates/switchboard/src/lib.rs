//! A reactor.
