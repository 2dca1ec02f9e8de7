//! What is encoded is decoded again, and nothing else is.

use std::fmt::Debug;

use proptest::prelude::*;

use super::*;

fn encoded(value: &impl Replayable) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    bytes
}

/// The value comes back whole, takes exactly its bytes, and not from fewer of them.
fn comes_back<T: Replayable + PartialEq + Debug>(value: T) {
    let mut bytes = encoded(&value);
    let len = bytes.len();
    bytes.extend_from_slice(b"rest");
    let mut rest = &bytes[..];
    assert_eq!(T::decode(&mut rest).as_ref(), Some(&value));
    assert_eq!(rest, b"rest");
    for cut in 0..len {
        assert_eq!(T::decode(&mut &bytes[..cut]), None, "{value:?} at {cut}");
    }
}

proptest! {
    #[test]
    fn numbers_come_back(a: u64, b: i64, c: u32, d: (i32, u16, i16, i8), e: u128, f: i128) {
        comes_back(a);
        comes_back(b);
        comes_back(c);
        comes_back(d);
        comes_back((e, f));
    }

    #[test]
    fn texts_and_lists_come_back(a: String, b: Vec<u8>, c: Vec<Option<String>>, d: char) {
        comes_back(Arc::<str>::from(&*a));
        comes_back(Arc::new(b.clone()));
        comes_back(a);
        comes_back(Bytes::from(b.clone()));
        comes_back(b);
        comes_back(c);
        comes_back(d);
    }

    #[test]
    fn results_come_back(a: Result<String, u32>, b: (bool, Option<()>), c: Duration) {
        comes_back(a);
        comes_back(b);
        comes_back(c);
    }

    #[test]
    fn addresses_and_times_come_back(v4: u32, v6: u128, port: u16, since: u32, early: bool) {
        comes_back(SocketAddr::new(IpAddr::V4(v4.into()), port));
        comes_back(SocketAddr::new(IpAddr::V6(v6.into()), port));
        let since = Duration::new(since.into(), since % 1_000_000_000);
        let epoch = SystemTime::UNIX_EPOCH;
        comes_back(if early { epoch - since } else { epoch + since });
    }

    #[test]
    fn nonsense_is_refused_without_a_panic(bytes: Vec<u8>) {
        let _ = Vec::<Result<String, (SocketAddr, SystemTime)>>::decode(&mut &bytes[..]);
        let _ = io::Error::decode(&mut &bytes[..]);
        let _ = Vec::<()>::decode(&mut &bytes[..bytes.len().min(3)]);
    }
}

#[test]
fn the_ends_of_numbers_come_back() {
    comes_back(vec![0, 1, 127, 128, u64::MAX - 1, u64::MAX]);
    comes_back(vec![i64::MIN, -1, 0, 1, i64::MAX]);
}

#[test]
fn a_number_that_does_not_fit_is_refused() {
    assert_eq!(u16::decode(&mut &encoded(&65_536_u64)[..]), None);
    assert_eq!(i32::decode(&mut &encoded(&i64::MIN)[..]), None);
    assert_eq!(u64::decode(&mut &[0xff; 11][..]), None);
    let mut too_wide = [0xff; 10];
    too_wide[9] = 2; // the 65th bit
    assert_eq!(u64::decode(&mut &too_wide[..]), None);
    assert_eq!(bool::decode(&mut &[2][..]), None);
}

#[test]
fn a_length_that_is_not_there_takes_no_memory() {
    let bytes = encoded(&u64::MAX);
    assert_eq!(Vec::<u8>::decode(&mut &bytes[..]), None);
    assert_eq!(String::decode(&mut &bytes[..]), None);
}

#[test]
fn errors_come_back_with_their_number_or_their_kind_and_text() {
    let again = |error: &io::Error| io::Error::decode(&mut &encoded(error)[..]).unwrap();
    let refused = again(&io::Error::from_raw_os_error(111));
    assert_eq!(refused.raw_os_error(), Some(111));
    for kind in KINDS.into_iter().chain([io::ErrorKind::Other]) {
        for error in [io::Error::from(kind), io::Error::new(kind, "a text")] {
            assert_eq!(again(&error).kind(), kind);
            assert_eq!(again(&error).to_string(), error.to_string());
            assert_eq!(again(&error).get_ref().is_some(), error.get_ref().is_some());
        }
    }
}
