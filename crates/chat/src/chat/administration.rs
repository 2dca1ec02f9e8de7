//! What administrators of the server do. It must never do anything that is not in the audit log.

use std::sync::Arc;

use super::command::{AdminCommand, Label};
use super::entries::Entry;
use super::event::{Event, Receipt};
use super::ids::{Moment, UserId};
use super::outlet::Outlet;
use super::pending::{Deed, Then};
use super::refusal::Refusal;
use super::{Asker, Chat, governing};
use crate::store::record::{AccountRecord, ServerBan, Write};

impl Chat {
    pub(super) fn become_admin(&mut self, user: UserId, now: Moment) -> Result<(), Refusal> {
        let entry = self.audit(user, "became an administrator", now)?;
        if let Some(user) = self.users.get_mut(user) {
            user.admin = true;
        }
        self.record(entry);
        Ok(())
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
        match command {
            AdminCommand::Kill { nick, reason } => self.kill(user, &nick, &reason, now, out),
            AdminCommand::Ban {
                mask,
                seconds,
                reason,
            } => self.ban(asker, user, (&mask, seconds, reason), now, out),
            AdminCommand::Unban { mask } => {
                // What is no mask was never banned, or is from before: as it was given.
                let mask = Entry::parse(&mask).map_or(mask, |entry| entry.to_string().into());
                let entry = self.audit(user, &format!("took the ban of {mask} back"), now)?;
                let first = Write::NoServerBan {
                    mask: Arc::clone(&mask),
                };
                self.store(asker, first, entry, Then::Unbanned(mask), out)
            }
            AdminCommand::Invite { code } => {
                let entry = self.audit(user, "made an invitation", now)?;
                let first = Write::Invitation {
                    code: Arc::clone(&code),
                    used_by: None,
                };
                self.store(asker, first, entry, Then::InvitationMade(code), out)
            }
            AdminCommand::SetPassword { account, verifier } => {
                let entry = self.audit(user, &format!("set the password of {account}"), now)?;
                let mut record = self.account_record(&account)?;
                record.verifier = verifier;
                let text = format!("{account} has another password").into();
                let receipt = Receipt::Administered { text };
                self.store_account(asker, record, receipt, Some(entry), out)
            }
            AdminCommand::Suspend { account } => {
                let entry = self.audit(user, &format!("suspended {account}"), now)?;
                let mut record = self.account_record(&account)?;
                record.suspended = true;
                let text = format!("{account} is suspended").into();
                let receipt = Receipt::Administered { text };
                self.store_account(asker, record, receipt, Some(entry), out)
            }
            AdminCommand::Announce(text) => {
                self.line(&text)?;
                let entry = self.audit(user, &format!("announced: {text}"), now)?;
                self.record(entry);
                let everybody: Vec<UserId> = self.users.everybody().map(|user| user.id()).collect();
                out.tell(&mut everybody.into_iter(), &Event::Announced(text));
                Ok(())
            }
        }
    }

    fn kill(
        &mut self,
        user: UserId,
        nick: &Arc<str>,
        reason: &str,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        self.line(reason)?;
        let them = self.users.find(nick);
        let them = them.ok_or_else(|| Refusal::NoSuchNick(Arc::clone(nick)))?;
        let entry = self.audit(user, &format!("ended {nick}'s connection: {reason}"), now)?;
        self.record(entry);
        self.dismiss(them, &format!("an administrator says: {reason}"), now, out);
        Ok(())
    }

    fn ban(
        &mut self,
        asker: Asker,
        user: UserId,
        (mask, seconds, reason): (&Arc<str>, Option<u64>, Arc<str>),
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let mask = governing::in_full(mask)?;
        self.line(&reason)?;
        let entry = self.audit(user, &format!("banned {mask}: {reason}"), now)?;
        let ban = Arc::new(ServerBan {
            mask,
            reason,
            by: Arc::clone(&self.identity(user)?.nick),
            created_unix_ms: now.unix_ms,
            until_unix_ms: seconds.map(|s| now.unix_ms.saturating_add(s.saturating_mul(1000))),
        });
        let first = Write::ServerBan(Arc::clone(&ban));
        self.store(asker, first, entry, Then::Banned(ban), out)
    }

    fn store(
        &mut self,
        by: Asker,
        first: Write,
        entry: Write,
        then: Then,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        self.reserve(&by, 512, None, out)?;
        self.pending.push(Deed {
            by,
            first,
            more: vec![entry],
            then,
            bytes: 512,
        });
        Ok(())
    }

    fn account_record(&self, account: &Arc<str>) -> Result<AccountRecord, Refusal> {
        let none = || Refusal::NoSuchNick(Arc::clone(account));
        Ok(AccountRecord::clone(
            self.account(account).ok_or_else(none)?,
        ))
    }

    pub(super) fn enforce_ban(&mut self, ban: &ServerBan, now: Moment, out: &mut dyn Outlet) {
        let Ok(entry) = Entry::parse(&ban.mask) else {
            return;
        };
        let meant = |user: &&super::User| !user.admin && entry.means(&user.identity, user.from);
        let meant: Vec<UserId> = self
            .users
            .everybody()
            .filter(meant)
            .map(|u| u.id())
            .collect();
        for user in meant {
            self.dismiss(user, &format!("banned: {}", ban.reason), now, out);
        }
    }

    fn audit(&mut self, user: UserId, action: &str, now: Moment) -> Result<Write, Refusal> {
        let who = self.identity(user)?;
        let admin = match &who.account {
            Some(account) => format!("{} ({account})", who.nick),
            None => format!("{}!{}@{}", who.nick, who.user, who.host),
        };
        Ok(Write::Audit {
            unix_ms: self.stamp(now),
            admin: admin.into(),
            action: action.into(),
        })
    }

    fn record(&mut self, first: Write) {
        self.pending.push(Deed {
            by: None,
            first,
            more: Vec::new(),
            then: Then::Nothing,
            bytes: 256,
        });
    }
}
