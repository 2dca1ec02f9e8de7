//! What becomes of descriptors and bytes that are on their way when something ends.
//! It must never need a second thread, nor a wait that nothing ends: each step has a bound.

use super::*;

/// Whether the other end is closed by now.
fn has_ended(far: &mut StdStream) -> bool {
    far.set_nonblocking(true).expect("a socket can");
    let read = far.read(&mut [0; 8]);
    !read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

fn listen(rig: &mut Rig, token: Token) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local().expect("it is bound");
    let registered = rig.uring.register(token, Resource::Listener(listener));
    registered.expect("it listens");
    address.ip().expect("it is an IP address")
}

/// The kernel accepts on its own, and has told of it or not when the driver is dropped.
#[test]
fn connections_that_nobody_has_taken_are_closed_with_the_driver() {
    if !works() {
        return;
    }
    for is_told in [true, false] {
        let mut rig = Rig::new(&Setup::default());
        let address = listen(&mut rig, token(0, 0));
        rig.tick();
        let connect = |_| StdStream::connect(address).expect("it listens");
        let far: Vec<StdStream> = (0..5).map(connect).collect();
        if is_told {
            rig.uring.wait(TICK).expect("it can wait");
        }
        drop(rig);
        for mut far in far {
            assert!(has_ended(&mut far), "accepted, and told: {is_told}");
        }
    }
}
