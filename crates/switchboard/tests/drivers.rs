//! Which driver a reactor takes, where there is a choice.
//! It must never be missed elsewhere: other systems have readiness alone.

#[cfg(target_os = "linux")]
#[path = "linux/drivers.rs"]
mod linux;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    {
        let why = "readiness is the only driver here".to_owned();
        let suite = switchboard_partners::Suite::new();
        suite.when(Err(why), "drivers", || ()).run()
    }
}
