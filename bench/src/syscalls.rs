//! System calls per message, counted by strace in a slice of its own.
//!
//! Must never be attached while CPU or latency is measured: it slows every call many times.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::child::{Child, Line};

const ATTACH_LIMIT: Duration = Duration::from_secs(5);
const DETACH_LIMIT: Duration = Duration::from_secs(10);

/// Calls per message, by the call's name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Syscalls {
    /// Only those that make up at least one call in two hundred.
    pub by_name: BTreeMap<String, f64>,
    /// Of all calls.
    pub total: f64,
}

/// Attaches strace to all threads of the process while `load` exchanges messages and says how many.
pub fn count(
    pid: u32,
    core: usize,
    scratch: &Path,
    load: impl FnOnce() -> Result<u64>,
) -> Result<Syscalls> {
    let file = scratch.join("strace.txt");
    let pid = pid.to_string();
    let options = ["-c", "-f", "-o"].map(OsStr::new);
    let arguments =
        options
            .into_iter()
            .chain([file.as_os_str(), OsStr::new("-p"), OsStr::new(&pid)]);
    let mut strace = Child::start("strace", core, OsStr::new("strace"), arguments)?;
    strace.wait_for("`attached`", ATTACH_LIMIT, |line| match line {
        Line::Err(text) => text.contains(" attached").then_some(()),
        Line::Out(_) => None,
    })?;
    let messages = load()?;
    // It ends itself by the same signal once it has detached and written its table.
    strace.end_with(Signal::INT, DETACH_LIMIT)?;
    let table = fs::read_to_string(&file).context("reading strace's table")?;
    Ok(per_message(&table, messages))
}

fn per_message(table: &str, messages: u64) -> Syscalls {
    let mut syscalls = Syscalls::default();
    for line in table.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        // % time, seconds, usecs/call, calls, [errors,] syscall
        let (Some(calls), Some(name)) = (columns.get(3), columns.last()) else {
            continue;
        };
        let Ok(calls) = calls.parse::<f64>() else {
            continue;
        };
        if *name == "total" {
            continue;
        }
        let rate = calls / messages as f64;
        syscalls.total += rate;
        syscalls.by_name.insert((*name).to_owned(), rate);
    }
    let least = syscalls.total / 200.0;
    syscalls.by_name.retain(|_, rate| *rate >= least);
    syscalls
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 61.03    0.013842           2      5000           write
 36.67    0.008317           1      6000      1000 read
  2.30    0.000521           6       100           epoll_wait
  0.00    0.000000           0         1           brk
------ ----------- ----------- --------- --------- ----------------
100.00    0.022680           2     11101      1000 total
";

    #[test]
    fn reads_strace_s_table_with_and_without_errors() {
        let syscalls = per_message(TABLE, 5000);
        let named: Vec<_> = syscalls.by_name.into_iter().collect();
        assert_eq!(
            named,
            [
                ("epoll_wait".to_owned(), 0.02),
                ("read".to_owned(), 1.2),
                ("write".to_owned(), 1.0),
            ]
        );
        assert!((syscalls.total - 2.2202).abs() < 1e-9);
    }
}
