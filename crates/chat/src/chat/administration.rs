//! What administrators of the server do. It must never do anything that is not in the audit log.

use std::sync::Arc;

use super::accounts::INVITATIONS_MAX;
use super::command::{AdminCommand, Label};
use super::entries::Entry;
use super::event::{Event, Receipt};
use super::ids::{Moment, UserId};
use super::outlet::Outlet;
use super::pending::{AccountChange, Act, Deed, Wish};
use super::refusal::Refusal;
use super::storing::Answered;
use super::{Asker, Chat, governing, names};
use crate::store::record::{ServerBan, Write};

/// What a promotion counts while it waits.
const PROMOTION_BYTES: usize = 256;

/// Bans of the server, all of which each newcomer is compared with.
const BANS_MAX: usize = 1000;

impl Chat {
    /// Who is one already is told again.
    pub(super) fn become_admin(
        &mut self,
        user: UserId,
        label: Label,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let asker = Some((user, label));
        self.reserve(&asker, PROMOTION_BYTES, None, out)?;
        self.promote(user, asker, now)
    }

    fn promote(&mut self, user: UserId, by: Asker, now: Moment) -> Result<(), Refusal> {
        let audit = self.audit(user, "became an administrator", now)?;
        let account = self.known(user)?.account().cloned();
        let act = Act::Promote { user, account };
        self.push(Deed {
            by,
            room: None,
            wish: Wish::Administered { audit, act },
            bytes: PROMOTION_BYTES,
        });
        Ok(())
    }

    /// Makes whoever has come in with an administrator's account one.
    pub(super) fn admin_by_account(&mut self, user: UserId, now: Moment) {
        let account = self.users.get(user).and_then(|user| user.account());
        if account.is_some_and(|name| self.is_admins(name)) {
            // While the audit log cannot take it, the user is in without the rights, and can ask for
            // them later: a login that is done must not be told to have failed.
            let stored = self.reserve_bytes(PROMOTION_BYTES);
            let _ = stored.and_then(|()| self.promote(user, None, now));
        }
    }

    /// The rights go with the account that they came with.
    pub(super) fn end_admin_by_account(&mut self, user: UserId) {
        let account = self.users.get(user).and_then(|user| user.account());
        if account.is_some_and(|account| self.is_admins(account)) {
            self.users.set_admin(user, false);
        }
    }

    /// Whether this account is an administrator's.
    pub fn is_admins(&self, account: &str) -> bool {
        let folded = names::fold(account);
        self.settings.admins.iter().any(|admin| **admin == *folded)
    }

    pub(super) fn administer(
        &mut self,
        user: UserId,
        command: AdminCommand,
        label: Label,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        if !self.known(user)?.admin {
            return Err(Refusal::NeedsAdmin);
        }
        let asker = Some((user, label));
        let (action, act) = match command {
            AdminCommand::SetPassword { account, verifier } => {
                let change = AccountChange::Verifier(verifier);
                return self.administer_account(asker, user, account, change, now, out);
            }
            AdminCommand::Suspend { account } => {
                let change = AccountChange::Suspended;
                return self.administer_account(asker, user, account, change, now, out);
            }
            AdminCommand::Kill { nick, reason } => {
                self.line(&reason)?;
                let none = || Refusal::NoSuchNick(Arc::clone(&nick));
                let them = self.users.find(&nick).ok_or_else(none)?;
                let action = format!("ended {nick}'s connection: {reason}");
                let user = them;
                (action, Act::Kill { nick, user, reason })
            }
            AdminCommand::Ban {
                mask,
                seconds,
                reason,
            } => {
                let ban = self.ban(user, &mask, seconds, reason, now)?;
                let action = format!("banned {}: {}", ban.mask, ban.reason);
                (action, Act::Ban(Arc::new(ban)))
            }
            AdminCommand::Unban { mask } => {
                let mask = governing::in_full(&mask)?;
                (format!("took the ban of {mask} back"), Act::Unban(mask))
            }
            AdminCommand::Invite { code } => {
                self.line(&code)?;
                if self.invitations.len() >= INVITATIONS_MAX {
                    return Err(Refusal::ListFull("invitations".into()));
                }
                ("made an invitation".into(), Act::Invite(code))
            }
            AdminCommand::Announce(text) => {
                self.line(&text)?;
                (format!("announced: {text}"), Act::Announce(text))
            }
        };
        let audit = self.audit(user, &action, now)?;
        self.reserve(&asker, 1024, None, out)?;
        self.push(Deed {
            by: asker,
            room: None,
            wish: Wish::Administered { audit, act },
            bytes: 1024,
        });
        Ok(())
    }

    fn administer_account(
        &mut self,
        asker: Asker,
        user: UserId,
        account: Arc<str>,
        change: AccountChange,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        if self.account(&account).is_none() {
            return Err(Refusal::NoSuchNick(account));
        }
        let (action, done) = match &change {
            AccountChange::Suspended => (
                format!("suspended {account}"),
                format!("{account} is suspended"),
            ),
            _ => (
                format!("set the password of {account}"),
                format!("{account} has another password"),
            ),
        };
        let entry = self.audit(user, &action, now)?;
        let receipt = Receipt::Administered { text: done.into() };
        let account = names::folded(&account);
        self.change_account(asker, account, change, (receipt, Some(entry)), out)
    }

    fn ban(
        &mut self,
        user: UserId,
        mask: &Arc<str>,
        seconds: Option<u64>,
        reason: Arc<str>,
        now: Moment,
    ) -> Result<ServerBan, Refusal> {
        let mask = governing::in_full(mask)?;
        let everybody = |entry: Entry| matches!(entry, Entry::Mask(mask) if mask.is_everybody());
        if Entry::parse(&mask).is_ok_and(everybody) {
            return Err(Refusal::BadMask(mask));
        }
        self.line(&reason)?;
        if self.admissions.bans_at(now.unix_ms) >= BANS_MAX {
            return Err(Refusal::ListFull("bans".into()));
        }
        Ok(ServerBan {
            mask,
            reason,
            by: Arc::clone(&self.identity(user)?.nick),
            created_unix_ms: now.unix_ms,
            until_unix_ms: seconds.map(|s| now.unix_ms.saturating_add(s.saturating_mul(1000))),
        })
    }

    /// What an administrator does, once it is in the audit log.
    pub(super) fn acted(
        &mut self,
        act: Act,
        (sender, label): Answered,
        now: Moment,
        out: &mut dyn Outlet,
    ) {
        let text: Arc<str> = match &act {
            Act::Promote { user, account } => {
                self.promoted(*user, account.as_ref(), label, out);
                return;
            }
            Act::Kill { nick, .. } => format!("{nick}'s connection is ended").into(),
            Act::Ban(ban) => format!("{} is banned", ban.mask).into(),
            Act::Unban(mask) => format!("{mask} is not banned any more").into(),
            Act::Invite(code) => Arc::clone(code),
            Act::Announce(_) => "announced".into(),
        };
        if let Some(sender) = sender {
            out.answer(sender, label, Ok(Receipt::Administered { text }));
        }
        match act {
            Act::Kill { user, reason, .. } => {
                if self.users.get(user).is_some() {
                    self.dismiss(user, &format!("an administrator says: {reason}"), now, out);
                }
            }
            Act::Ban(ban) => {
                self.admissions.add_ban(Arc::clone(&ban));
                self.enforce_ban(&ban, now, out);
            }
            Act::Unban(mask) => self.admissions.remove_ban(&mask),
            Act::Invite(code) => {
                self.invitations.insert(code);
            }
            Act::Promote { .. } => {}
            Act::Announce(text) => {
                let everybody: Vec<UserId> = self.users.everybody().map(|user| user.id()).collect();
                out.tell(&mut everybody.into_iter(), &Event::Announced(text));
            }
        }
    }

    fn promoted(
        &mut self,
        id: UserId,
        account: Option<&Arc<str>>,
        label: Label,
        out: &mut dyn Outlet,
    ) {
        let Some(user) = self.users.get(id) else {
            return;
        };
        // Who has logged out meanwhile has lost what came with the account.
        if user.account() != account {
            return out.answer(id, label, Err(Refusal::NeedsAdmin));
        }
        let nick = Arc::clone(&user.identity.nick);
        self.users.set_admin(id, true);
        out.answer(id, label, Ok(Receipt::Administrator { nick }));
    }

    fn enforce_ban(&mut self, ban: &ServerBan, now: Moment, out: &mut dyn Outlet) {
        let Ok(entry) = Entry::parse(&ban.mask) else {
            return;
        };
        let is_meant = |user: &&super::User| !user.admin && entry.means(&user.identity, user.from);
        let meant = self.users.everybody().filter(is_meant);
        let meant: Vec<UserId> = meant.map(|user| user.id()).collect();
        for user in meant {
            self.dismiss(user, &format!("banned: {}", ban.reason), now, out);
        }
    }

    fn audit(&mut self, user: UserId, action: &str, now: Moment) -> Result<Write, Refusal> {
        let who = self.identity(user)?;
        let admin = match &who.account {
            Some(account) => format!("{} ({account})", who.nick).into(),
            None => who.source(),
        };
        Ok(Write::Audit {
            unix_ms: self.stamp(now),
            admin,
            action: action.into(),
        })
    }
}
