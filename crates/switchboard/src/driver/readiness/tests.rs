//! Attempts side by side, without a reactor around the driver.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use super::steps::ENDING;
use super::*;
use crate::net::ConnectOptions;

const IT: Token = Token {
    slot: 0,
    generation: 0,
};

/// How often anything may be waited for, and for how long.
const WAITS: usize = 1000;
const WAIT: Duration = Duration::from_millis(10);

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// Runs ticks until so much was told, and a few more.
fn told(driver: &mut Readiness, len: usize) -> Vec<String> {
    let mut told = Vec::new();
    let mut more = 3;
    for _ in 0..WAITS {
        driver.wait(Some(WAIT)).expect("it can wait");
        while let Some(Completion { token, event }) = driver.next() {
            assert_eq!(token, IT);
            told.push(match event {
                Event::Received(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                event => event.name().to_owned(),
            });
        }
        if told.len() >= len {
            more -= 1;
        }
        if more == 0 {
            return told;
        }
    }
    panic!("waited in vain; told: {told:?}");
}

fn connect(driver: &mut Readiness, address: SocketAddr) {
    let begun = driver.connect(IT, address, &ConnectOptions::default());
    begun.expect("it can begin");
}

/// Sees the end, and no byte.
fn assert_unused(mut far: TcpStream) {
    let patience = Some(Duration::from_secs(10));
    far.set_read_timeout(patience).expect("a socket can");
    match far.read(&mut [0; 4]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("{other:?} instead of the end"),
    }
}

#[test]
fn the_first_attempt_that_succeeds_is_the_connection_and_the_others_end() {
    let mut driver = Readiness::new(1).expect("there is a kernel");
    let (first, address) = listener();
    connect(&mut driver, address);
    let others: Vec<TcpListener> = (0..3)
        .map(|_| {
            let (other, address) = listener();
            connect(&mut driver, address);
            other
        })
        .collect();
    // What the kernel tells of one of the others is not the winner's: that one has not ended.
    let (far, _) = others[0].accept().expect("it is connected");
    drop(far);
    assert_eq!(told(&mut driver, 1), ["connected"]);
    let (mut far, _) = first.accept().expect("it is the first");
    for other in &others[1..] {
        let (far, _) = other.accept().expect("it was connected");
        assert_unused(far);
    }
    let flags = &driver.slots[0].flags;
    assert!(!flags.any(ENDING), "the end of another one is noted");
    let sent = driver.send_bytes(IT, b"to the winner");
    assert_eq!(sent.expect("it is connected"), 13);
    let mut buffer = [0; 13];
    far.read_exact(&mut buffer).expect("they were sent");
    assert_eq!(&buffer, b"to the winner");
    far.write_all(b"the last words").expect("it is connected");
    drop(far);
    assert_eq!(told(&mut driver, 2), ["the last words", "end of file"]);
}

/// Bytes and the end of the winner that are there already when it wins are told all the same.
#[test]
fn what_the_winner_has_received_in_the_race_is_told() {
    let mut driver = Readiness::new(1).expect("there is a kernel");
    let (first, address) = listener();
    connect(&mut driver, address);
    let (_second, address) = listener();
    connect(&mut driver, address);
    let (mut far, _) = first.accept().expect("it is connected");
    far.write_all(b"early").expect("it is connected");
    drop(far);
    assert_eq!(told(&mut driver, 3), ["connected", "early", "end of file"]);
}

#[test]
fn a_close_ends_all_attempts() {
    let mut driver = Readiness::new(1).expect("there is a kernel");
    let listeners = [listener(), listener()];
    for (_, address) in &listeners {
        connect(&mut driver, *address);
    }
    driver.close(IT);
    assert!(told(&mut driver, 0).is_empty());
    for (listener, _) in &listeners {
        let (far, _) = listener.accept().expect("it was connected");
        assert_unused(far);
    }
}
