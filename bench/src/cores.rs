//! Which core the servers run on, and which the load generators.
//!
//! Must never pin the tool to the servers' core.

use std::fs;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Two cores; the same one twice on a machine that has only one.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// For the server whose turn it is.
    pub server: usize,
    /// For its load generator, and for the tool, which waits meanwhile.
    pub load: usize,
}

impl Cores {
    /// The first core that this process may use, and the first that is not its
    /// hyper-thread twin (a twin would steal from the server unseen).
    pub fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(None).context("reading the allowed cores")?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let server = cores.next().context("no core is allowed")?;
        let twins = twins_of(server);
        let others: Vec<usize> = cores.collect();
        let load = others
            .iter()
            .find(|core| !twins.contains(core))
            .or(others.first())
            .copied()
            .unwrap_or(server);
        Ok(Self { server, load })
    }

    /// Whether server and load share one core, which spoils latency and rate.
    pub fn shared(&self) -> bool {
        self.server == self.load
    }
}

/// Keeps the calling thread, and the processes that it starts, on one core.
pub fn pin_to(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("pinning to core {core}"))
}

fn twins_of(core: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    fs::read_to_string(path).map_or_else(|_| Vec::new(), |list| parse_list(&list))
}

/// The kernel's list format: `0,4` or `0-1`.
fn parse_list(list: &str) -> Vec<usize> {
    list.trim()
        .split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse::<usize>().ok()?..=last.parse().ok()?)
        })
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_of_the_kernels_lists() {
        assert_eq!(parse_list("0,4\n"), [0, 4]);
        assert_eq!(parse_list("2-3\n"), [2, 3]);
        assert_eq!(parse_list("0-1,8\n"), [0, 1, 8]);
        assert!(parse_list("").is_empty());
    }
}
