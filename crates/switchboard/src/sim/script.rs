//! Scripts as text: `at 3 s, partition {a} from {b, c} for 2 s`. It must never guess: what is not
//! understood is an error that says what was expected.

use std::time::Duration;

use super::action::Action;
use super::faults::Fault;
use super::host::HostId;
use crate::{Error, Result};

/// Reads a script, one action for each line (or between semicolons). `host` finds a host by name.
pub(crate) fn parse(
    script: &str,
    host: &dyn Fn(&str) -> Result<HostId>,
) -> Result<Vec<(Duration, Action)>> {
    let lines = script.split(['\n', ';']).map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |line: &str| {
        let mut words = Words::new(line, host);
        let action = words.line();
        action.map_err(|error| Error::from(format!("in the script, {line:?}: {error}")))
    };
    lines.map(read).collect()
}

/// The words of one line, in order.
struct Words<'a> {
    rest: &'a str,
    host: &'a dyn Fn(&str) -> Result<HostId>,
}

impl<'a> Words<'a> {
    fn new(line: &'a str, host: &'a dyn Fn(&str) -> Result<HostId>) -> Words<'a> {
        Words { rest: line, host }
    }

    fn line(&mut self) -> Result<(Duration, Action)> {
        self.expect("at")?;
        let at = self.duration()?;
        self.expect(",")?;
        let action = self.action()?;
        match self.peek() {
            "" => Ok((at, action)),
            more => Err(format!("{more:?} is too much").into()),
        }
    }

    fn action(&mut self) -> Result<Action> {
        Ok(match self.next() {
            "partition" => {
                let from = self.hosts()?;
                let both_ways = match self.next() {
                    "from" => true,
                    "to" => false,
                    word => return Err(unexpected(word, "`from` (both ways) or `to` (one way)")),
                };
                Action::Partition {
                    from,
                    to: self.hosts()?,
                    both_ways,
                    lasting: self.lasting()?,
                }
            }
            "heal" => Action::Heal,
            "crash" => Action::Crash {
                host: self.host()?,
                lasting: self.lasting()?,
            },
            "restart" => Action::Restart(self.host()?),
            "pause" => Action::Pause {
                host: self.host()?,
                lasting: self.lasting()?,
            },
            "resume" => Action::Resume(self.host()?),
            "jump" => self.clock_jump()?,
            "reset" => self.pair().map(|(one, other)| Action::Reset(one, other))?,
            "half-open" => self
                .pair()
                .map(|(one, other)| Action::HalfOpen(one, other))?,
            "set" => self.setting()?,
            "latency" => {
                let shortest = self.duration()?;
                self.expect("to")?;
                Action::Latency(shortest..self.duration()?)
            }
            "bandwidth" => Action::Bandwidth(Some(self.bandwidth()?)),
            word => {
                let known = "partition, heal, crash, restart, pause, resume, jump, reset, \
                             half-open, set, latency or bandwidth";
                return Err(unexpected(word, known));
            }
        })
    }

    /// `jump the clock of {a} by -5 s`
    fn clock_jump(&mut self) -> Result<Action> {
        for word in ["the", "clock", "of"] {
            self.expect(word)?;
        }
        let host = self.host()?;
        self.expect("by")?;
        let backwards = self.rest.trim_start().strip_prefix('-');
        self.rest = backwards.unwrap_or(self.rest);
        let nanos = i128::from(self.nanos()?);
        let nanos = if backwards.is_some() { -nanos } else { nanos };
        let nanos = i64::try_from(nanos).map_err(|_| "a clock cannot jump that far")?;
        Ok(Action::ClockJump { host, nanos })
    }

    /// `set split to 0.5 on {a} for 2 s`
    fn setting(&mut self) -> Result<Action> {
        let name = self.next();
        let fault = Fault::from_name(name).ok_or_else(|| {
            let names: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
            unexpected(name, &format!("a fault ({})", names.join(", ")))
        })?;
        self.expect("to")?;
        let word = self.next();
        let rates = 0.0..=fault.highest_rate();
        let rate = word.parse().ok().filter(|rate| rates.contains(rate));
        let rate = rate.ok_or_else(|| {
            unexpected(
                word,
                &format!("a rate, such as 0.5, of at most {}", rates.end()),
            )
        })?;
        let host = match self.peek() {
            "on" => {
                self.next();
                Some(self.host()?)
            }
            _ => None,
        };
        Ok(Action::Set {
            fault,
            rate,
            host,
            lasting: self.lasting()?,
        })
    }

    fn pair(&mut self) -> Result<(HostId, HostId)> {
        let one = self.host()?;
        self.expect("and")?;
        Ok((one, self.host()?))
    }

    fn lasting(&mut self) -> Result<Option<Duration>> {
        if self.peek() != "for" {
            return Ok(None);
        }
        self.next();
        self.duration().map(Some)
    }

    fn host(&mut self) -> Result<HostId> {
        match self.hosts()?[..] {
            [host] => Ok(host),
            _ => Err("one host is expected here".into()),
        }
    }

    /// `{a, b}`: names may have spaces.
    fn hosts(&mut self) -> Result<Vec<HostId>> {
        let rest = self.rest.trim_start();
        let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let Some((names, rest)) = inside else {
            return Err(unexpected(self.peek(), "hosts in braces, such as {server}"));
        };
        self.rest = rest;
        names
            .split(',')
            .map(|name| (self.host)(name.trim()))
            .collect()
    }

    /// `3 s`, `3s`, `1.5 ms`
    fn duration(&mut self) -> Result<Duration> {
        self.nanos().map(Duration::from_nanos)
    }

    /// In whole numbers, so that a time is what is written and not the nearest fraction to it.
    fn nanos(&mut self) -> Result<u64> {
        let word = self.next();
        let split = word.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, unit) = word.split_at(split.unwrap_or(word.len()));
        let unit = if unit.is_empty() { self.next() } else { unit };
        let unit: u64 = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "min" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            unit => return Err(unexpected(unit, "a unit: ns, us, ms, s, min or h")),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty();
        if !is_number(whole) || !is_number(fraction) {
            return Err(unexpected(word, "a time, such as 3 s or 1.5 ms"));
        }
        let too_long = || Error::from(format!("{word:?} is too long a time: at most 500 years"));
        let whole: u64 = whole.parse().map_err(|_| too_long())?;
        let mut nanos = whole.checked_mul(unit).ok_or_else(too_long)?;
        let mut place = unit;
        for digit in fraction.bytes() {
            place /= 10;
            nanos = nanos
                .checked_add(place * u64::from(digit - b'0'))
                .ok_or_else(too_long)?;
        }
        Ok(nanos)
    }

    fn bandwidth(&mut self) -> Result<u64> {
        let word = self.next();
        let rate = word.parse().ok().filter(|rate| *rate > 0);
        rate.ok_or_else(|| unexpected(word, "a number of bytes per second, at least 1"))
    }

    fn expect(&mut self, expected: &str) -> Result {
        match self.next() {
            word if word == expected => Ok(()),
            word => Err(unexpected(word, &format!("`{expected}`"))),
        }
    }

    fn peek(&self) -> &'a str {
        let rest = self.rest.trim_start();
        let end = match rest.chars().next() {
            Some(first @ (',' | '{' | '}')) => first.len_utf8(),
            _ => rest
                .find(|c: char| c.is_whitespace() || matches!(c, ',' | '{' | '}'))
                .unwrap_or(rest.len()),
        };
        &rest[..end]
    }

    fn next(&mut self) -> &'a str {
        let word = self.peek();
        self.rest = &self.rest.trim_start()[word.len()..];
        word
    }
}

fn unexpected(word: &str, expected: &str) -> Error {
    let found = match word {
        "" => "the line ends".to_owned(),
        word => format!("{word:?} stands"),
    };
    format!("{found} where {expected} is expected").into()
}
