//! The drivers that a test runs on, one after the other: all that work here.
//! It must never leave one out where every partner is required.

use switchboard::Driver;

/// Where io_uring does not work, that is shown, and `tests/drivers.rs` has a test that says so.
#[cfg(target_os = "linux")]
pub fn working() -> Vec<Driver> {
    let io_uring = switchboard::Reactor::builder()
        .driver(Driver::IoUring)
        .build(());
    match io_uring {
        Ok(_) => vec![Driver::Readiness, Driver::IoUring],
        Err(error) => {
            let required = std::env::var_os(switchboard_partners::REQUIRED);
            assert!(required.is_none(), "{error}");
            eprintln!("not run: {error}");
            vec![Driver::Readiness]
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub fn working() -> Vec<Driver> {
    vec![Driver::Readiness]
}
