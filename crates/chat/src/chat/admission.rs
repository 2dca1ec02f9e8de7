//! Who may connect at all: how many from one network, and whom an administrator has banned. It must
//! never look at anything but addresses and names.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use super::entries::Entry;
use super::event::Identity;
use super::ids::Moment;
use super::refusal::Refusal;
use super::{Chat, names};
use crate::rate::Bucket;
use crate::store::record::ServerBan;

/// Networks that are remembered for their rates, beside those of which somebody is connected. The
/// first ones in the order of addresses go; they only lose what they had used up.
const NETWORKS_MAX: usize = 100_000;

/// One connection that counts. Give it back by [`Chat::departed`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a connection counts until it is given back"]
pub struct Admission {
    network: Option<IpAddr>,
}

#[derive(Debug, Default)]
struct Network {
    connections: usize,
    registrations: Bucket,
}

#[derive(Debug)]
struct Ban {
    record: Arc<ServerBan>,
    /// `None`: it is no mask, and means nobody.
    meant: Option<Entry>,
}

impl Ban {
    fn new(record: Arc<ServerBan>) -> Ban {
        let meant = Entry::parse(&record.mask).ok();
        Ban { record, meant }
    }

    fn is_on(&self, unix_ms: u64) -> bool {
        let until = self.record.until_unix_ms;
        until.is_none_or(|until| unix_ms < until)
    }
}

#[derive(Debug, Default)]
pub(super) struct Admissions {
    networks: BTreeMap<IpAddr, Network>,
    bans: Vec<Ban>,
}

impl Admissions {
    pub(super) fn new(bans: Vec<ServerBan>) -> Admissions {
        Admissions {
            networks: BTreeMap::new(),
            bans: bans
                .into_iter()
                .map(|ban| Ban::new(Arc::new(ban)))
                .collect(),
        }
    }

    pub(super) fn add_ban(&mut self, ban: Arc<ServerBan>) {
        self.remove_ban(&ban.mask);
        self.bans.push(Ban::new(ban));
    }

    /// How many bans there are, those that are over forgotten.
    pub(super) fn bans_at(&mut self, unix_ms: u64) -> usize {
        self.bans.retain(|ban| ban.is_on(unix_ms));
        self.bans.len()
    }

    pub(super) fn remove_ban(&mut self, mask: &str) {
        self.bans
            .retain(|ban| !names::are_same(&ban.record.mask, mask));
    }

    fn banned_address(&self, from: IpAddr, unix_ms: u64) -> Option<&ServerBan> {
        self.banned(unix_ms, |entry| entry.means_address(from))
    }

    pub(super) fn banned_user(
        &self,
        who: &Identity,
        from: Option<IpAddr>,
        unix_ms: u64,
    ) -> Option<&ServerBan> {
        self.banned(unix_ms, |entry| entry.means(who, from))
    }

    fn banned(&self, unix_ms: u64, means: impl Fn(&Entry) -> bool) -> Option<&ServerBan> {
        let mut on = self.bans.iter().filter(|ban| ban.is_on(unix_ms));
        let found = on.find(|ban| ban.meant.as_ref().is_some_and(&means));
        found.map(|ban| ban.record.as_ref())
    }
}

/// What counts as one network: whoever has an IPv6 address usually has a /64 of them.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

impl Chat {
    /// Lets a connection in, before anybody knows who it is; `None`: it comes from no network.
    ///
    /// # Errors
    /// Its network has too many, or is banned.
    pub fn admit(&mut self, from: Option<IpAddr>, now: Moment) -> Result<Admission, Refusal> {
        let Some(from) = from.filter(|from| !from.to_canonical().is_loopback()) else {
            return Ok(Admission { network: None });
        };
        if let Some(ban) = self.admissions.banned_address(from, now.unix_ms) {
            return Err(Refusal::BannedFromServer(Arc::clone(&ban.reason)));
        }
        let limit = self.settings.connections_per_network;
        let network = network(from);
        let known = self.admissions.networks.entry(network).or_default();
        if known.connections >= limit {
            return Err(Refusal::TooManyConnections(limit));
        }
        known.connections += 1;
        Ok(Admission {
            network: Some(network),
        })
    }

    /// A connection that counted has ended.
    pub fn departed(&mut self, admission: Admission, now: Moment) {
        let networks = &mut self.admissions.networks;
        let Some(network) = admission.network else {
            return;
        };
        if let Some(known) = networks.get_mut(&network) {
            known.connections = known.connections.saturating_sub(1);
            let fresh = known.registrations.is_full(now.monotonic_ns);
            if known.connections == 0 && (fresh || networks.len() > NETWORKS_MAX) {
                networks.remove(&network);
            }
        }
    }

    /// Whether this network may make one more account now.
    pub(super) fn may_register(
        &mut self,
        from: Option<IpAddr>,
        now: Moment,
    ) -> Result<(), Refusal> {
        let Some((rate, from)) = self.settings.registration_rate.zip(from) else {
            return Ok(());
        };
        let network = network(from);
        let networks = &mut self.admissions.networks;
        // Who comes from this machine is not counted as a connection, so nothing else ends these.
        if networks.len() >= NETWORKS_MAX && !networks.contains_key(&network) {
            let unused = networks.iter().find(|(_, it)| it.connections == 0);
            if let Some(unused) = unused.map(|(network, _)| *network) {
                networks.remove(&unused);
            }
        }
        let known = networks.entry(network).or_default();
        if known.registrations.take(rate, now.monotonic_ns) {
            return Ok(());
        }
        let wait_ns = known.registrations.wait_ns(rate, now.monotonic_ns);
        Err(Refusal::TooFast(wait_ns.div_ceil(1_000_000)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::chat::settings::Settings;
    use crate::rate::Rate;
    use crate::store::record::Snapshot;

    #[test]
    fn networks_that_only_register_have_a_bound_too() {
        let settings = Settings {
            registration_rate: Some(Rate::new(1, 1)),
            ..Settings::default()
        };
        let mut chat = Chat::new(settings, Snapshot::default());
        let now = Moment::default();
        let address = |number: usize| Some(IpAddr::V4(Ipv4Addr::from_bits(number as u32)));
        let admission = chat.admit(address(1), now).unwrap();
        for number in 1..=NETWORKS_MAX {
            assert_eq!(chat.may_register(address(number), now), Ok(()));
        }
        assert_eq!(chat.admissions.networks.len(), NETWORKS_MAX);
        for number in [1, 2, NETWORKS_MAX] {
            assert!(chat.may_register(address(number), now).is_err());
        }
        assert_eq!(chat.may_register(address(NETWORKS_MAX + 1), now), Ok(()));
        assert_eq!(chat.admissions.networks.len(), NETWORKS_MAX);
        // The first one of which nobody is connected was forgotten.
        assert!(chat.may_register(address(1), now).is_err());
        assert_eq!(chat.may_register(address(2), now), Ok(()));
        chat.departed(admission, now);
    }
}
