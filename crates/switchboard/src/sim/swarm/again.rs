//! What the environment asks of a swarm: to run one seed again, or more of them than usual.
//! It must never take a value that it does not understand for none.

use std::env;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use super::mix::Part;

#[derive(Clone, Debug, Default)]
pub(super) struct Again {
    pub(super) seed: Option<u64>,
    pub(super) seeds: Option<u64>,
    pub(super) time: Option<Duration>,
    pub(super) without: Vec<Part>,
}

impl Again {
    /// # Panics
    /// A variable is malformed.
    pub(super) fn from_environment() -> Again {
        let again = Again::read(|name| env::var(name).ok());
        again.unwrap_or_else(|error| panic!("{error}"))
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Again, String> {
        let parts = variable("SWITCHBOARD_WITHOUT").unwrap_or_default();
        let parts = parts
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let without = parts.map(Part::from_name).collect::<Result<_, _>>()?;
        let seconds = number::<f64>(&variable, "SWITCHBOARD_SECONDS")?;
        let time = match seconds.map(Duration::try_from_secs_f64) {
            Some(Err(error)) => return Err(format!("SWITCHBOARD_SECONDS: {error}")),
            Some(Ok(time)) => Some(time),
            None => None,
        };
        Ok(Again {
            seed: number(&variable, "SWITCHBOARD_SEED")?,
            seeds: number(&variable, "SWITCHBOARD_SEEDS")?,
            time,
            without,
        })
    }

    /// Whether somebody waits for this very run, and not for a test suite.
    pub(super) fn is_asked_for(&self) -> bool {
        self.seeds.is_some() || self.time.is_some()
    }

    /// Tells whoever waits.
    pub(super) fn say(&self, text: &str) {
        if self.is_asked_for() {
            use std::io::Write;
            // Not by `eprintln`, whose output a test suite keeps until the end of the test.
            let _ = writeln!(std::io::stderr(), "{text}");
        } else {
            eprintln!("{text}");
        }
    }
}

fn number<T: FromStr>(
    variable: impl Fn(&str) -> Option<String>,
    name: &str,
) -> Result<Option<T>, String>
where
    T::Err: Display,
{
    let Some(text) = variable(name) else {
        return Ok(None);
    };
    let parsed = text.trim().parse();
    parsed
        .map(Some)
        .map_err(|error| format!("{name}={text:?} is no number: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Again, String> {
        Again::read(|name| {
            let mut found = variables.iter().filter(|(of, _)| *of == name);
            found.next().map(|(_, value)| value.to_string())
        })
    }

    #[test]
    fn an_empty_environment_asks_for_nothing() {
        let again = read(&[]).expect("nothing is malformed");
        assert!(again.seed.is_none() && !again.is_asked_for() && again.without.is_empty());
    }

    #[test]
    fn all_variables_are_read() {
        let again = read(&[
            ("SWITCHBOARD_SEED", "7"),
            ("SWITCHBOARD_SEEDS", " 100 "),
            ("SWITCHBOARD_SECONDS", "0.5"),
            ("SWITCHBOARD_WITHOUT", "split, latency"),
        ])
        .expect("nothing is malformed");
        assert_eq!((again.seed, again.seeds), (Some(7), Some(100)));
        assert_eq!(again.time, Some(Duration::from_millis(500)));
        let names: Vec<&str> = again.without.iter().map(|part| part.name()).collect();
        assert_eq!(names, ["split", "latency"]);
    }

    #[test]
    fn a_malformed_variable_is_named() {
        let error = read(&[("SWITCHBOARD_SEED", "x7")]).unwrap_err();
        assert!(error.contains("SWITCHBOARD_SEED=\"x7\""), "{error}");
        let error = read(&[("SWITCHBOARD_SECONDS", "-1")]).unwrap_err();
        assert!(error.contains("SWITCHBOARD_SECONDS"), "{error}");
        let error = read(&[("SWITCHBOARD_WITHOUT", "splits")]).unwrap_err();
        assert!(
            error.contains("\"splits\"") && error.contains("one-way"),
            "{error}"
        );
    }
}
