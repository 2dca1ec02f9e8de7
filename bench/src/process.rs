//! What `/proc` says of a process: the time that it took and the memory that it holds.
//!
//! Must never be asked while a slice is running.

use std::fs;

use anyhow::{Context, Result, bail};

/// Readings of the clock until two agree; a server goes to sleep within some microseconds.
const READINGS: usize = 1000;

/// Nanoseconds that its threads have spent on a core, in user space and in the kernel, once they
/// have gone to sleep. A thread that has ended is not counted any more.
pub fn cpu_nanos(pid: u32) -> Result<u64> {
    let mut last = cpu_nanos_now(pid)?;
    for _ in 0..READINGS {
        let now = cpu_nanos_now(pid)?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
    bail!("the server did not go to sleep after its last message")
}

/// The same, whether they sleep or not.
pub fn cpu_nanos_now(pid: u32) -> Result<u64> {
    let tasks = format!("/proc/{pid}/task");
    let mut sum = 0;
    for task in fs::read_dir(&tasks).context("the process is gone")? {
        let path = task?.path().join("schedstat");
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "reading {} (a kernel with CONFIG_SCHED_INFO has it)",
                path.display()
            )
        })?;
        sum += first_number(&text).context("schedstat holds no number")?;
    }
    Ok(sum)
}

/// Bytes of memory that belong to the process alone and to no file: heap, stacks, data.
pub fn anonymous_bytes(pid: u32) -> Result<u64> {
    kibibytes(pid, "smaps_rollup", "Anonymous:")
}

/// Bytes of memory that it has in use at all, `VmRSS`.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    kibibytes(pid, "status", "VmRSS:")
}

fn kibibytes(pid: u32, file: &str, name: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/{file}");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let kibibytes = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(first_number)
        .with_context(|| format!("{path} holds no `{name}`"))?;
    Ok(kibibytes * 1024)
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}
