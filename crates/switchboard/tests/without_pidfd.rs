//! Child processes on a Linux that has no descriptors for them.
//! It must never stand for other systems, which go that way in all tests.

#[cfg(target_os = "linux")]
#[path = "linux/without_pidfd.rs"]
mod linux;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    {
        let why = "every child is waited for in that way here".to_owned();
        let suite = switchboard_partners::Suite::new();
        suite.when(Err(why), "without_pidfd", || ()).run()
    }
}
