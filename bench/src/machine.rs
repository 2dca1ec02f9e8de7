//! What the figures were measured on, and when.
//!
//! Must never hold a machine's name, a user or a path.

use std::fs;

/// Date, kernel and processor.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Day and minute, in UTC.
    pub date: String,
    /// The kernel's release.
    pub kernel: String,
    /// The processor's model and how many cores there are.
    pub processor: String,
}

impl Machine {
    /// Reads `/proc`; what cannot be read is `unknown`.
    pub fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let cores = cpuinfo
            .lines()
            .filter(|line| line.starts_with("processor"))
            .count();
        Self {
            date: jiff::Timestamp::now()
                .strftime("%Y-%m-%d %H:%M UTC")
                .to_string(),
            kernel: or_unknown(read("/proc/sys/kernel/osrelease").trim()),
            processor: format!("{}, {cores} cores", or_unknown(model(&cpuinfo))),
        }
    }
}

fn model(cpuinfo: &str) -> &str {
    cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .and_then(|rest| rest.split_once(':'))
        .map_or("", |(_, model)| model.trim())
}

fn or_unknown(text: &str) -> String {
    match text.is_empty() {
        true => "unknown".to_owned(),
        false => text.to_owned(),
    }
}
