//! Many who want one name: one gets it, and whoever has it keeps it.

use std::sync::Barrier;
use std::thread;

use super::*;

#[test]
fn of_many_who_find_a_file_left_behind_one_listens() {
    let directory = std::env::temp_dir().join(format!("socket-file-{}", std::process::id()));
    fs::create_dir(&directory).unwrap();
    let path = directory.join("s");
    for _ in 0..50 {
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap()); // std leaves the file
        let start = Barrier::new(4);
        let outcomes: Vec<io::Result<_>> = thread::scope(|scope| {
            let begin = || {
                start.wait();
                open(&path, None, Type::STREAM)
            };
            let all: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "{lost:?}");
        for error in lost.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        }
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        drop(won);
        assert!(!path.exists());
    }
    fs::remove_dir(directory).unwrap();
}

/// Somebody may hold the lock for ever, in a directory that is everybody's.
#[test]
fn a_locked_directory_keeps_nobody_from_a_free_name() {
    let directory = std::env::temp_dir().join(format!("locked-{}", std::process::id()));
    fs::create_dir(&directory).unwrap();
    let path = directory.join("s");
    let lock = lock_directory(&path).unwrap();
    drop(open(&path, None, Type::STREAM).unwrap());
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let error = open(&path, None, Type::STREAM).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains("cannot be locked"), "{error}");
    drop(lock);
    drop(open(&path, None, Type::STREAM).unwrap());
    fs::remove_dir(directory).unwrap();
}
