//! What the reactor asks of the kernel, counted by `strace`.
//! It must never be read as a claim about other systems: `strace` is Linux's.

#[cfg(target_os = "linux")]
#[path = "linux/system_calls.rs"]
mod linux;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    {
        let why = "there is no strace here".to_owned();
        let suite = switchboard_partners::Suite::new();
        suite.when(Err(why), "system_calls", || ()).run()
    }
}
