//! The order of addresses, and which of several failures is told.

use super::*;

fn v4(number: u8) -> SocketAddr {
    ([10, 0, 0, number], 80).into()
}

fn v6(number: u16) -> SocketAddr {
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, number], 80).into()
}

#[test]
fn the_families_take_turns_and_the_first_one_begins() {
    let turns = |addresses: &[SocketAddr]| Vec::from(in_turns(addresses.to_vec()));
    assert_eq!(turns(&[]), []);
    assert_eq!(turns(&[v6(1), v6(2)]), [v6(1), v6(2)]);
    assert_eq!(
        turns(&[v6(1), v6(2), v6(3), v4(1), v4(2)]),
        [v6(1), v4(1), v6(2), v4(2), v6(3)]
    );
    assert_eq!(
        turns(&[v4(3), v6(1), v4(1), v6(2), v6(3), v6(4)]),
        [v4(3), v6(1), v4(1), v6(2), v6(3), v6(4)]
    );
}

#[test]
fn that_an_address_is_unreachable_is_told_only_if_nothing_else_is_known() {
    let told = |failures: &[Errno]| {
        let mut attempt = Attempt::new(Endpoint::Ip(v4(1)), None, None);
        for failure in failures {
            attempt.note((*failure).into());
        }
        let failure = attempt.failure.expect("there was one");
        Errno::from_io_error(&failure).expect("it is a number")
    };
    assert_eq!(told(&[Errno::NETUNREACH]), Errno::NETUNREACH);
    let other = [Errno::CONNREFUSED, Errno::NETUNREACH];
    assert_eq!(told(&other), Errno::CONNREFUSED);
    let other = [Errno::AFNOSUPPORT, Errno::CONNREFUSED, Errno::HOSTUNREACH];
    assert_eq!(told(&other), Errno::CONNREFUSED);
    let both = [Errno::CONNREFUSED, Errno::TIMEDOUT];
    assert_eq!(told(&both), Errno::TIMEDOUT, "the last one");
    let both = [Errno::ADDRNOTAVAIL, Errno::NETUNREACH];
    assert_eq!(told(&both), Errno::NETUNREACH);
}
