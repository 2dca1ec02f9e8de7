//! Who is there: users come, go, are called otherwise, are away, and are watched for. It must never
//! store anything but what rooms' histories tell of it.

use std::net::IpAddr;
use std::sync::Arc;

use super::event::{Event, Identity};
use super::ids::{Moment, UserId};
use super::outlet::Outlet;
use super::refusal::Refusal;
use super::{Chat, Newcomer, names};
use crate::store::record::What;

/// The longest user name, in bytes: what is behind it is cut off.
const USER_BYTES_MAX: usize = 32;

/// The longest host, in bytes, as names of hosts have it (RFC 1035, section 2.3.4).
const HOST_BYTES_MAX: usize = 255;

impl Chat {
    /// Makes a connection a user.
    ///
    /// If the nick is taken by another connection of the same account, that one goes: it is the
    /// same person, whose old connection may be dead without anybody knowing.
    ///
    /// # Errors
    /// The nick is taken or not one, or the user is banned.
    pub fn enter(
        &mut self,
        newcomer: Newcomer,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<UserId, Refusal> {
        if self.users.len() >= self.settings.users_max {
            return Err(Refusal::Busy);
        }
        let account = match newcomer.account {
            Some(name) => Some(self.valid_account(&name)?),
            None => None,
        };
        let identity = Identity {
            nick: newcomer.nick,
            user: cut(newcomer.user, USER_BYTES_MAX),
            host: cut(newcomer.host, HOST_BYTES_MAX),
            account,
            realname: cut(newcomer.realname, self.settings.line_bytes_max),
            bot: false,
        };
        let account = identity.account.clone();
        self.check_nick(&identity.nick, account.as_deref(), None)?;
        let ban = self
            .admissions
            .banned_user(&identity, newcomer.from, now.unix_ms);
        if let Some(ban) = ban {
            return Err(Refusal::BannedFromServer(Arc::clone(&ban.reason)));
        }
        if let Some(old) = self.users.find(&identity.nick) {
            self.dismiss(old, "your account has another connection now", now, out);
        }
        let user = self.users.add(identity, newcomer.from, false, now);
        let identity = Arc::clone(self.identity(user)?);
        self.tell_watchers(&identity.nick, Some(&identity), out);
        self.admin_by_account(user, now);
        Ok(user)
    }

    /// Makes a connection a guest: somebody without a nick, who is in no list, speaks in the lobby
    /// by [`post`](Chat::post), and hears it by [`listen`](Chat::listen).
    ///
    /// # Errors
    /// The server is full, or the address banned.
    pub fn enter_guest(
        &mut self,
        host: Arc<str>,
        from: Option<IpAddr>,
        now: Moment,
    ) -> Result<UserId, Refusal> {
        if self.users.len() >= self.settings.users_max {
            return Err(Refusal::Busy);
        }
        self.guests_seen += 1;
        let identity = Identity {
            nick: names::of_guest(None, self.guests_seen),
            user: "line".into(),
            host: cut(host, HOST_BYTES_MAX),
            account: None,
            realname: "a plain client".into(),
            bot: false,
        };
        if let Some(ban) = self.admissions.banned_user(&identity, from, now.unix_ms) {
            return Err(Refusal::BannedFromServer(Arc::clone(&ban.reason)));
        }
        Ok(self.users.add(identity, from, true, now))
    }

    /// A connection has ended. Nothing happens if the user is gone already.
    pub fn leave(&mut self, user: UserId, reason: &str, now: Moment, out: &mut dyn Outlet) {
        let Some(identity) = self.users.get(user).map(|user| Arc::clone(&user.identity)) else {
            return;
        };
        let reason = cut(reason.into(), self.settings.line_bytes_max);
        let event = Event::Quit {
            user: Arc::clone(&identity),
            reason: Arc::clone(&reason),
        };
        self.tell_neighbours(user, false, &event, out);
        let rooms = self
            .users
            .get(user)
            .map_or(Vec::new(), |user| user.rooms.clone());
        for room in rooms {
            self.happened(room, &identity, || What::Quit(Arc::clone(&reason)), now);
            self.take_out(room, user);
        }
        self.stop_watching(user);
        if let Some(room) = self.lobby_mut() {
            room.listeners.swap_remove(&user);
        }
        if self.users.remove(user).is_some_and(|user| !user.guest) {
            self.former.add(&identity, now.unix_ms);
            self.tell_watchers(&identity.nick, None, out);
        }
        self.forget_marks(identity.account.as_ref());
    }

    /// This user's connection is secured by TLS, and its client has shown this certificate (its
    /// SHA-256 fingerprint), if any.
    pub fn secured(&mut self, user: UserId, certificate: Option<Arc<str>>) {
        if let Some(user) = self.users.get_mut(user) {
            user.secured = Some(certificate.unwrap_or_default());
        }
    }

    /// Ends a connection from here.
    pub(super) fn dismiss(
        &mut self,
        user: UserId,
        reason: &str,
        now: Moment,
        out: &mut dyn Outlet,
    ) {
        self.leave(user, reason, now, out);
        out.dismiss(user, reason);
    }

    pub(super) fn rename(
        &mut self,
        user: UserId,
        nick: Arc<str>,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let before = Arc::clone(self.identity(user)?);
        if before.nick == nick {
            return Ok(());
        }
        self.check_nick(&nick, before.account.as_deref(), Some(user))?;
        let who = self.known(user)?;
        let mut after = Identity::clone(&before);
        after.nick = Arc::clone(&nick);
        let ban = self.admissions.banned_user(&after, who.from, now.unix_ms);
        if let Some(ban) = ban.filter(|_| !who.admin) {
            return Err(Refusal::BannedFromServer(Arc::clone(&ban.reason)));
        }
        self.not_too_fast(user, now)?;
        if let Some(old) = self.users.find(&nick).filter(|old| *old != user) {
            self.dismiss(old, "your account has another connection now", now, out);
        }
        let rooms = self.known(user)?.rooms.clone();
        for room in rooms {
            self.happened(room, &before, || What::Renamed(Arc::clone(&nick)), now);
        }
        self.change_identity(user, |who| who.nick = nick, out)?;
        let after = Arc::clone(self.identity(user)?);
        if !names::are_same(&before.nick, &after.nick) {
            self.former.add(&before, now.unix_ms);
            self.tell_watchers(&before.nick, None, out);
            self.tell_watchers(&after.nick, Some(&after), out);
        }
        Ok(())
    }

    /// Whether `user` (or a newcomer) with this account may be called so.
    fn check_nick(
        &self,
        nick: &str,
        account: Option<&str>,
        user: Option<UserId>,
    ) -> Result<(), Refusal> {
        if names::check_nick(nick).is_err() {
            return Err(Refusal::BadNick(nick.into()));
        }
        let owns = account.is_some_and(|account| names::are_same(account, nick));
        let skeleton = names::skeleton(nick);
        if names::is_service(&skeleton) {
            return Err(Refusal::BadNick(nick.into()));
        }
        let looks_like = self.looks.get(skeleton.as_str());
        // The owner of one that looks like it may, or two who look alike by import shut both out.
        let is_anothers = self.account(nick).is_some()
            || self.registering.contains(skeleton.as_str())
            || looks_like
                .is_some_and(|other| account.is_none_or(|own| !names::are_same(other, own)));
        if !owns && is_anothers {
            return Err(Refusal::NickReserved(nick.into()));
        }
        let taken = self.users.find(nick).filter(|other| Some(*other) != user);
        let same_person = |other| {
            let theirs = self.users.get(other).and_then(|other| other.account());
            theirs
                .zip(account)
                .is_some_and(|(one, two)| names::are_same(one, two))
        };
        match taken {
            // Who has logged out, but not left, does not keep the nick from its owner.
            Some(other) if !owns && !same_person(other) => Err(Refusal::NickInUse(nick.into())),
            _ => Ok(()),
        }
    }

    /// The name of an account that can be logged in to, as it is shown.
    fn valid_account(&self, name: &str) -> Result<Arc<str>, Refusal> {
        let account = self.account(name).ok_or(Refusal::NeedsAccount)?;
        match account.suspended {
            true => Err(Refusal::BannedFromServer(
                "this account is suspended".into(),
            )),
            false => Ok(Arc::clone(&account.name)),
        }
    }

    /// Changes how a user is known, and tells whoever should know.
    pub(super) fn change_identity(
        &mut self,
        user: UserId,
        change: impl FnOnce(&mut Identity),
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        self.known(user)?;
        if let Some((from, to)) = self.users.change(user, change)
            && from != to
        {
            let (is_renamed, account) = (from.nick != to.nick, from.account.clone());
            let event = Event::Changed { from, to };
            self.tell_neighbours(user, true, &event, out);
            if !is_renamed {
                self.tell_watching_strangers(user, event, out);
            }
            self.forget_marks(account.as_ref());
        }
        Ok(())
    }

    pub(super) fn set_realname(
        &mut self,
        user: UserId,
        realname: Arc<str>,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        self.line(&realname)?;
        self.not_too_fast(user, now)?;
        self.change_identity(user, |who| who.realname = realname, out)
    }

    pub(super) fn set_away(
        &mut self,
        user: UserId,
        reason: Option<Arc<str>>,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        self.line(reason.as_deref().unwrap_or_default())?;
        self.not_too_fast(user, now)?;
        let identity = Arc::clone(self.identity(user)?);
        if let Some(user) = self.users.get_mut(user) {
            if user.away() == reason.as_ref() {
                return Ok(());
            }
            user.rare().away.clone_from(&reason);
            user.trim();
        }
        let event = Event::Away {
            user: identity,
            reason,
        };
        self.tell_neighbours(user, false, &event, out);
        self.tell_watching_strangers(user, event, out);
        Ok(())
    }

    /// `user` wants to know when `nick` comes and goes; who has it now.
    ///
    /// # Errors
    /// It watches as many as the limit allows, or this is no nick.
    pub fn watch(&mut self, user: UserId, nick: &str) -> Result<Option<UserId>, Refusal> {
        if names::check_nick(nick).is_err() {
            return Err(Refusal::BadNick(nick.into()));
        }
        let limit = self.settings.watches_per_user;
        let folded = names::folded(nick);
        let nobody = || Refusal::NoSuchNick("*".into());
        let watcher = self.users.get_mut(user).ok_or_else(nobody)?;
        if !watcher.watches().contains(&folded) {
            if watcher.watches().len() >= limit {
                return Err(Refusal::ListFull(nick.into()));
            }
            watcher.rare().watches.push(Arc::clone(&folded));
            self.watchers.entry(folded).or_default().insert(user);
        }
        Ok(self.users.find(nick))
    }

    /// `user` does not want to know of `nick` any more.
    pub fn unwatch(&mut self, user: UserId, nick: &str) {
        let folded = names::fold(nick);
        if let Some(watcher) = self.users.get_mut(user) {
            watcher
                .rare()
                .watches
                .retain(|watched| **watched != *folded);
            watcher.trim();
        }
        self.forget_watcher(user, &folded);
    }

    /// `user` does not want to know of anybody any more.
    pub fn stop_watching(&mut self, user: UserId) {
        let watches = self.users.get_mut(user).map(|user| {
            let watches = std::mem::take(&mut user.rare().watches);
            user.trim();
            watches
        });
        for nick in watches.unwrap_or_default() {
            self.forget_watcher(user, &nick);
        }
    }

    fn forget_watcher(&mut self, user: UserId, folded: &str) {
        if let Some(watchers) = self.watchers.get_mut(folded) {
            watchers.remove(&user);
            if watchers.is_empty() {
                self.watchers.remove(folded);
            }
        }
    }
}

/// A text of at most so many bytes, cut between characters.
fn cut(text: Arc<str>, bytes_max: usize) -> Arc<str> {
    match text.len() > bytes_max {
        true => text[..text.floor_char_boundary(bytes_max)].into(),
        false => text,
    }
}
