//! The stage against a list of bytes for each source, whatever order they send in.

use proptest::prelude::*;

use super::*;

const SOURCES: usize = 3;

proptest! {
    #[test]
    fn every_source_has_what_it_staged(
        sends in prop::collection::vec((0..SOURCES, 0..STAGE / 4, any::<u8>()), 1..40),
    ) {
        let mut stage = Stage::new();
        let mut staged = [Staged::default(); SOURCES];
        let mut model: [Vec<u8>; SOURCES] = Default::default();
        let mut last = None;
        for (source, len, byte) in sends {
            let total: usize = model.iter().map(Vec::len).sum();
            let alone = model[source].is_empty() || last == Some(source);
            let room = stage.extend(&mut staged[source], len);
            prop_assert_eq!(room.is_some(), alone && total + len <= STAGE);
            if let Some(room) = room {
                room.fill(byte);
                model[source].resize(model[source].len() + len, byte);
                if len > 0 {
                    last = Some(source);
                }
            }
        }
        for (staged, model) in staged.into_iter().zip(&model) {
            prop_assert_eq!(stage.bytes(staged), &model[..]);
        }
    }
}

proptest! {
    #[test]
    fn who_shares_bytes_has_them_once_and_in_order(
        sends in prop::collection::vec((0..SOURCES, 0..4_usize, any::<bool>()), 1..80),
    ) {
        let messages: Vec<Bytes> = (1..=4_u8).map(|n| vec![n; 5 * n as usize].into()).collect();
        let mut stage = Stage::new();
        let mut staged = [Staged::default(); SOURCES];
        let mut model: [Vec<u8>; SOURCES] = Default::default();
        for (source, which, shares) in sends {
            let bytes = &messages[which];
            let took = match shares {
                true => stage.share(&mut staged[source], bytes),
                false => stage.extend(&mut staged[source], bytes.len()).map(|room| room.copy_from_slice(bytes)).is_some(),
            };
            // What it does not take goes to an outbox.
            if took {
                model[source].extend_from_slice(bytes);
            }
            for (staged, model) in staged.iter().zip(&model) {
                prop_assert_eq!(stage.bytes(*staged), &model[..]);
            }
        }
    }
}

#[test]
fn a_message_to_all_lies_here_once() {
    let (first, second) = (
        Bytes::from_static(b"to all"),
        Bytes::from(b"to all".to_vec()),
    );
    let mut stage = Stage::new();
    for _ in 0..STAGE {
        assert!(stage.share(&mut Staged::default(), &first));
    }
    assert_eq!(stage.filled, first.len());
    // Equal bytes at another place are another message.
    assert!(stage.share(&mut Staged::default(), &second));
    assert_eq!(stage.filled, 2 * first.len());
    stage.clear();
    assert!(stage.share(&mut Staged::default(), &second));
    assert_eq!(stage.filled, second.len());
}
