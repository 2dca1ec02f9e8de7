//! Which core the servers run on, and which the load generators.
//!
//! Must never pin the tool to the servers' core.

use std::fs;

use anyhow::{Context, Result, ensure};
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

/// Two cores for servers, and one for the load generators: the second of the two where there is
/// no third.
#[derive(Clone, Copy, Debug)]
pub struct Crew {
    /// For a server of two threads.
    pub servers: [usize; 2],
    /// For its load generator, and for the tool, which waits meanwhile.
    pub load: usize,
}

impl Crew {
    /// The cores of [`Cores::choose`] for the servers; another one for the load.
    pub fn choose() -> Result<Self> {
        let Cores { server, load } = Cores::choose()?;
        ensure!(server != load, "two reactors need two cores");
        let servers = [server, load];
        let allowed = sched_getaffinity(None).context("reading the allowed cores")?;
        let mut others = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let third = others.find(|core| {
            servers
                .iter()
                .all(|of| !twins_of(*of).contains(core) && of != core)
        });
        let load = third.unwrap_or(load);
        Ok(Self { servers, load })
    }

    /// Whether the load takes a part of a server's core.
    pub fn is_shared(&self) -> bool {
        self.servers.contains(&self.load)
    }
}

/// Keeps the calling thread, and the processes that it starts, on these cores.
pub fn pin_to(cores: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    sched_setaffinity(None, &set).with_context(|| format!("pinning to {cores:?}"))
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
