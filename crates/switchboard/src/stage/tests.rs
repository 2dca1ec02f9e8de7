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
