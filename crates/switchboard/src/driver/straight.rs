//! The two calls of every message, once for each loop that is compiled for one driver alone, and
//! once for all of them. What is named after one driver must never be called on another: it would
//! say that nothing is at hand, or that nothing went.

use std::io;

use super::Driver;
use crate::Token;
use crate::stage::{Stage, Staged};

impl Driver {
    // This is part of the loop that dispatches, and `send_staged` of the one that flushes: both are
    // compiled once for either of the usual drivers, with nothing of the others in them.
    #[inline(never)]
    pub(crate) fn next_received(&mut self) -> Option<(Token, &[u8])> {
        match self {
            Driver::Readiness(driver) => driver.next_received(),
            Driver::Recorder(recorder) => recorder.next_received(),
            #[cfg(target_os = "linux")]
            Driver::Uring(driver) => driver.next_received(),
            #[cfg(feature = "tls")]
            Driver::Tls(layer) => layer.next_received(),
            _ => None,
        }
    }

    #[inline(always)]
    pub(crate) fn next_received_recorded(&mut self) -> Option<(Token, &[u8])> {
        match self {
            Driver::Recorder(recorder) => recorder.next_received(),
            _ => None,
        }
    }

    /// The same without a call, for a recorder of one of the two.
    #[inline(always)]
    pub(crate) fn next_received_live(&mut self) -> Option<(Token, &[u8])> {
        match self {
            Driver::Readiness(driver) => driver.next_received(),
            #[cfg(target_os = "linux")]
            Driver::Uring(driver) => driver.next_received(),
            _ => None,
        }
    }

    #[inline(always)]
    pub(crate) fn next_received_if_ready(&mut self) -> Option<(Token, &[u8])> {
        match self {
            Driver::Readiness(driver) => driver.next_received(),
            _ => None,
        }
    }

    #[cfg(target_os = "linux")]
    #[inline(always)]
    pub(crate) fn next_received_from_ring(&mut self) -> Option<(Token, &[u8])> {
        match self {
            Driver::Uring(driver) => driver.next_received(),
            _ => None,
        }
    }

    #[inline(never)]
    pub(crate) fn send_staged(
        &mut self,
        token: Token,
        stage: &Stage,
        staged: Staged,
    ) -> io::Result<usize> {
        match self {
            Driver::Readiness(driver) => driver.send_bytes(token, stage.bytes(staged)),
            Driver::Simulated(driver) => driver.send_bytes(token, stage.bytes(staged)),
            Driver::Recorder(recorder) => recorder.send_staged(token, stage, staged),
            Driver::Replayer(replayer) => replayer.send_bytes(token, stage.bytes(staged)),
            #[cfg(target_os = "linux")]
            Driver::Uring(driver) => Ok(driver.send_staged(token, staged)),
            #[cfg(feature = "tls")]
            Driver::Tls(layer) => layer.send_staged(token, stage, staged),
            #[cfg(feature = "tls")]
            Driver::Moving => Ok(0),
        }
    }

    #[inline(always)]
    pub(crate) fn send_staged_recorded(
        &mut self,
        token: Token,
        stage: &Stage,
        staged: Staged,
    ) -> io::Result<usize> {
        match self {
            Driver::Recorder(recorder) => recorder.send_staged(token, stage, staged),
            _ => Ok(0),
        }
    }

    /// The same without a call, for a recorder of one of the two.
    #[inline(always)]
    pub(crate) fn send_staged_live(
        &mut self,
        token: Token,
        stage: &Stage,
        staged: Staged,
    ) -> io::Result<usize> {
        match self {
            Driver::Readiness(driver) => driver.send_bytes(token, stage.bytes(staged)),
            #[cfg(target_os = "linux")]
            Driver::Uring(driver) => Ok(driver.send_staged(token, staged)),
            other => other.send_staged(token, stage, staged),
        }
    }

    #[inline(always)]
    pub(crate) fn send_staged_if_ready(
        &mut self,
        token: Token,
        stage: &Stage,
        staged: Staged,
    ) -> io::Result<usize> {
        match self {
            Driver::Readiness(driver) => driver.send_bytes(token, stage.bytes(staged)),
            _ => Ok(0),
        }
    }

    #[cfg(target_os = "linux")]
    #[inline(always)]
    pub(crate) fn send_staged_by_ring(
        &mut self,
        token: Token,
        _: &Stage,
        staged: Staged,
    ) -> io::Result<usize> {
        match self {
            Driver::Uring(driver) => Ok(driver.send_staged(token, staged)),
            _ => Ok(0),
        }
    }
}
