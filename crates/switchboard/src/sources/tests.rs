//! The slab against a map from tokens to sources: above all, a stale token reaches nothing.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 20;

#[derive(Clone, Debug)]
enum Step {
    Insert,
    /// Removes by any token that was ever given.
    Remove(prop::sample::Index),
    /// Removes what was inserted last.
    RemoveLast,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Insert),
        3 => any::<prop::sample::Index>().prop_map(Step::Remove),
        1 => Just(Step::RemoveLast),
    ]
}

/// A slab, and the sources that should be in it, told apart by a number that stands where the
/// time of their last activity would.
struct Pair {
    sources: Sources,
    model: HashMap<Token, Time>,
    given: Vec<Token>,
    most: usize,
}

impl Pair {
    fn run(&mut self, step: &Step) {
        match step {
            Step::Insert => self.insert(),
            Step::Remove(_) | Step::RemoveLast if self.given.is_empty() => {}
            Step::Remove(index) => self.remove(self.given[index.index(self.given.len())]),
            Step::RemoveLast => self.remove(self.given[self.given.len() - 1]),
        }
    }

    fn insert(&mut self) {
        let name = Time::from_nanos(self.given.len() as u64);
        let options = SourceOptions::default();
        let inserted = self
            .sources
            .insert(Kind::Stream, Phase::Open, options, name);
        match inserted {
            Ok(token) => {
                assert!(self.model.len() < LIMIT, "more than the bound");
                assert!(!self.given.contains(&token), "{token} was given twice");
                self.given.push(token);
                self.model.insert(token, name);
                self.most = self.most.max(self.model.len());
            }
            Err(Error::TooManySources { limit }) => {
                assert_eq!((limit, self.model.len()), (LIMIT, LIMIT));
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn remove(&mut self, token: Token) {
        let removed = self.sources.remove(token).map(|source| source.last_active);
        assert_eq!(removed, self.model.remove(&token));
    }

    fn check(&mut self) {
        assert_eq!(self.sources.len(), self.model.len());
        assert_eq!(self.sources.is_full(), self.model.len() == LIMIT);
        for token in &self.given {
            let expected = self.model.get(token).map(|name| (*token, *name));
            let found = self.sources.get(*token);
            assert_eq!(
                found.map(|source| (source.token, source.last_active)),
                expected
            );
            let found = self.sources.get_mut(*token);
            assert_eq!(
                found.map(|source| (source.token, source.last_active)),
                expected
            );
        }
        let all: HashMap<Token, Time> = self
            .sources
            .iter()
            .map(|source| (source.token, source.last_active))
            .collect();
        assert_eq!(all, self.model);
        // Slots are used again, so there are as many as there were sources at once.
        assert_eq!(self.sources.slots.len(), self.most);
    }
}

proptest! {
    #[test]
    fn agrees_with_a_map(steps in prop::collection::vec(step(), 1..150)) {
        let mut pair = Pair {
            sources: Sources::new(LIMIT),
            model: HashMap::new(),
            given: Vec::new(),
            most: 0,
        };
        for step in &steps {
            pair.run(step);
            pair.check();
        }
    }
}

#[test]
fn a_bound_of_zero_takes_nothing() {
    let mut sources = Sources::new(0);
    let options = SourceOptions::default();
    let inserted = sources.insert(Kind::Watch, Phase::Open, options, Time::ZERO);
    assert!(matches!(inserted, Err(Error::TooManySources { limit: 0 })));
}
