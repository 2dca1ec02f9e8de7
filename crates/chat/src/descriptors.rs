//! How many connections the system lets this process hold.
//!
//! It must never lower a limit or fail: it raises the soft limit as far as it may, and says what
//! the limit is then.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Standard streams, listeners, the reactor's own, and some for name look-ups.
const DESCRIPTORS_BESIDES_CLIENTS: u64 = 32;

/// Makes room for `clients_max` connections, as far as the hard limit allows.
///
/// `None` if there is room; else one line that says how many fit and what to do.
pub fn make_room(clients_max: usize) -> Option<String> {
    let wanted = clients_max as u64 + DESCRIPTORS_BESIDES_CLIENTS;
    let limit = getrlimit(Resource::Nofile);
    if let Some(raised) = raised(limit, wanted) {
        // A refusal shows in the limit that is read next.
        let _ = setrlimit(Resource::Nofile, raised);
    }
    shortage(getrlimit(Resource::Nofile).current, wanted)
}

/// The limit to ask for, if the present one is too low and may be raised.
fn raised(limit: Rlimit, wanted: u64) -> Option<Rlimit> {
    let current = limit.current?;
    let target = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    (current < target).then_some(Rlimit {
        current: Some(target),
        maximum: limit.maximum,
    })
}

fn shortage(current: Option<u64>, wanted: u64) -> Option<String> {
    let current = current.filter(|current| *current < wanted)?;
    let fit = current.saturating_sub(DESCRIPTORS_BESIDES_CLIENTS);
    Some(format!(
        "this process may open {current} files, enough for about {fit} clients; \
         raise the limit with `ulimit -n {wanted}`, or lower --max-clients"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(current: u64, maximum: Option<u64>) -> Rlimit {
        Rlimit {
            current: Some(current),
            maximum,
        }
    }

    #[test]
    fn the_limit_is_raised_as_far_as_needed_and_allowed() {
        let target = |limit, wanted| raised(limit, wanted).and_then(|raised| raised.current);
        assert_eq!(target(limit(1024, Some(4096)), 1032), Some(1032));
        assert_eq!(target(limit(1024, Some(4096)), 100_000), Some(4096));
        assert_eq!(target(limit(1024, None), 100_000), Some(100_000));
        assert_eq!(target(limit(1024, Some(4096)), 1000), None);
        assert_eq!(target(limit(1024, Some(1024)), 2000), None);
        assert_eq!(
            target(
                Rlimit {
                    current: None,
                    maximum: None
                },
                2000
            ),
            None
        );
    }

    #[test]
    fn a_shortage_says_what_to_do() {
        assert_eq!(shortage(Some(1024), 1024), None);
        assert_eq!(shortage(None, 5000), None);
        let text = shortage(Some(1024), 5032).unwrap();
        assert!(text.contains("about 992 clients"), "{text}");
        assert!(text.contains("ulimit -n 5032"), "{text}");
    }
}
