//! A service under a manager, which is systemd's affair.
//! It must never be read as a claim about other systems: systemd is Linux's.

#[cfg(target_os = "linux")]
#[path = "linux/service.rs"]
mod linux;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    {
        let why = "there is no systemd here".to_owned();
        let suite = switchboard_partners::Suite::new();
        suite.when(Err(why), "service", || ()).run()
    }
}
