//! Accounts as the chat knows them: made, logged in to, changed. It must never see a password: it
//! is given verifiers, and told of logins that the adapter has checked.

use std::sync::Arc;

use super::command::Label;
use super::event::{Identity, Receipt};
use super::ids::{Moment, UserId};
use super::outlet::Outlet;
use super::pending::{AccountChange, Deed, Wish};
use super::refusal::Refusal;
use super::settings::Registration;
use super::storing::Answered;
use super::{Asker, Chat, names};
use crate::store::record::{AccountRecord, Write};

/// Certificates that log in to one account.
pub(super) const CERTIFICATES_MAX: usize = 16;

/// The longest verifier or fingerprint, in bytes.
const SECRET_BYTES_MAX: usize = 1024;

/// All invitations that nobody has used.
pub(super) const INVITATIONS_MAX: usize = 10_000;

impl Chat {
    #[allow(clippy::too_many_arguments, reason = "the fields of one command")]
    pub(super) fn register(
        &mut self,
        user: UserId,
        name: Arc<str>,
        verifier: Arc<str>,
        invitation: Option<Arc<str>>,
        label: Label,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let from = self.known(user)?.from;
        self.may_be_registered(&name, user)?;
        if verifier.len() > SECRET_BYTES_MAX {
            return Err(Refusal::TooLong(SECRET_BYTES_MAX));
        }
        let admin = self.known(user)?.admin;
        let used = match self.settings.registration {
            Registration::Open => None,
            _ if admin => None,
            Registration::Closed => return Err(Refusal::RegistrationClosed),
            Registration::Invitation => {
                let code = invitation.filter(|code| self.invitations.contains(code));
                Some(code.ok_or(Refusal::BadInvitation)?)
            }
        };
        if !admin {
            self.may_register(from, now)?;
        }
        let asker = Some((user, label));
        self.reserve(&asker, 512, None, out)?;
        self.registering.insert(names::skeleton(&name).into());
        let account = Arc::new(AccountRecord {
            name,
            verifier,
            created_unix_ms: self.stamp(now),
            certificates: Vec::new(),
            suspended: false,
        });
        if let Some(code) = &used {
            self.invitations.remove(code);
        }
        self.push(Deed {
            by: asker,
            room: None,
            wish: Wish::Registered {
                account,
                invitation: used,
            },
            bytes: 512,
        });
        Ok(())
    }

    /// Whether an account could be made: ask before the password is hashed, which is dear.
    ///
    /// # Errors
    /// Why not.
    pub fn may_be_registered(&self, name: &str, user: UserId) -> Result<(), Refusal> {
        if self.settings.registration == Registration::Closed && !self.known(user)?.admin {
            return Err(Refusal::RegistrationClosed);
        }
        self.may_be_named(name)?;
        // Its rights come with the name, so it is made by those who have them.
        if self.is_admins(name) && !self.known(user)?.admin {
            return Err(Refusal::NickReserved(name.into()));
        }
        if self.accounts.len() + self.registering.len() >= self.settings.accounts_max {
            return Err(Refusal::RegistrationClosed);
        }
        let who = self.known(user)?;
        if let Some(own) = who.account().filter(|_| !who.admin) {
            return Err(Refusal::AccountExists(Arc::clone(own)));
        }
        // Or somebody could take the name from under whoever is called so.
        match self.users.find(name) {
            Some(other) if other != user => Err(Refusal::NickInUse(name.into())),
            _ => Ok(()),
        }
    }

    /// Whether there can be an account of this name beside those that there are: whoever makes one
    /// without asking the server's users compares it by this.
    ///
    /// # Errors
    /// Why not.
    pub fn may_be_named(&self, name: &str) -> Result<(), Refusal> {
        let skeleton = names::skeleton(name);
        if names::check_nick(name).is_err() || names::is_service(&skeleton) {
            return Err(Refusal::BadAccountName(name.into()));
        }
        // Nor one that looks like another one's.
        let is_taken = self.account(name).is_some()
            || self.looks.contains_key(skeleton.as_str())
            || self.registering.contains(skeleton.as_str());
        match is_taken {
            true => Err(Refusal::AccountExists(name.into())),
            false => Ok(()),
        }
    }

    pub(super) fn give_up_registration(
        &mut self,
        account: &AccountRecord,
        invitation: Option<Arc<str>>,
    ) {
        self.registering
            .remove(names::skeleton(&account.name).as_str());
        self.invitations.extend(invitation);
    }

    /// An account is there. Who made it for oneself is logged in to it.
    pub(super) fn registered(
        &mut self,
        account: Arc<AccountRecord>,
        (sender, label): Answered,
        now: Moment,
        out: &mut dyn Outlet,
    ) {
        let name = Arc::clone(&account.name);
        self.give_up_registration(&account, None);
        self.keep_account(account);
        let Some((sender, who)) = sender.and_then(|id| Some((id, self.users.get(id)?))) else {
            return;
        };
        // Administrators make accounts for others.
        let is_own =
            who.account().is_none() && (!who.admin || names::are_same(&who.identity.nick, &name));
        if !is_own {
            let text = format!("there is an account {name} now").into();
            out.answer(sender, label, Ok(Receipt::Administered { text }));
            return;
        }
        let account = Arc::clone(&name);
        out.answer(sender, label, Ok(Receipt::Registered { account }));
        // The account is new, so nothing can be wrong with it but a ban; then it is only made.
        let _ = self.log_in(sender, &name, now, out);
    }

    /// An account is otherwise than before.
    pub(super) fn account_changed(
        &mut self,
        account: Option<Arc<AccountRecord>>,
        receipt: Receipt,
        (sender, label): Answered,
        now: Moment,
        out: &mut dyn Outlet,
    ) {
        let suspended = account.as_ref().filter(|account| account.suspended);
        let suspended = suspended.map(|account| Arc::clone(&account.name));
        if let Some(account) = account {
            self.keep_account(account);
        }
        if let Some(sender) = sender {
            out.answer(sender, label, Ok(receipt));
        }
        if let Some(name) = suspended {
            for user in self.users.of_account(&name).to_vec() {
                self.dismiss(user, "this account is suspended", now, out);
            }
        }
    }

    pub(super) fn keep_account(&mut self, account: Arc<AccountRecord>) {
        let folded = names::folded(&account.name);
        if let Some(before) = self.accounts.get(&folded) {
            for fingerprint in &before.certificates {
                self.certificates.remove(fingerprint);
            }
        }
        for fingerprint in &account.certificates {
            self.certificates
                .insert(Arc::clone(fingerprint), Arc::clone(&folded));
        }
        let skeleton = names::skeleton(&account.name).into();
        self.looks.insert(skeleton, Arc::clone(&folded));
        self.accounts.insert(folded, account);
    }

    pub(super) fn log_in(
        &mut self,
        user: UserId,
        account: &str,
        now: Moment,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let record = self.account(account).filter(|account| !account.suspended);
        let name = Arc::clone(&record.ok_or(Refusal::NeedsAccount)?.name);
        let who = self.known(user)?;
        let mut after = Identity::clone(&who.identity);
        after.account = Some(Arc::clone(&name));
        let ban = self.admissions.banned_user(&after, who.from, now.unix_ms);
        if let Some(ban) = ban.filter(|_| !who.admin) {
            return Err(Refusal::BannedFromServer(Arc::clone(&ban.reason)));
        }
        self.end_admin_by_account(user);
        self.change_identity(user, |who| who.account = Some(Arc::clone(&name)), out)?;
        let identity = Arc::clone(self.identity(user)?);
        self.admin_by_account(user, now);
        // Roles that belong to the account are given in the rooms that the user is in already.
        for id in self.known(user)?.rooms.clone() {
            let Some(room) = self.rooms.get_mut(id) else {
                continue;
            };
            let role = room.role_of_account(&name);
            let Some(had) = room.members.get_mut(&user).filter(|had| **had < role) else {
                continue;
            };
            *had = role;
            self.tell_of_role(id, role, &identity, out);
        }
        Ok(())
    }

    pub(super) fn log_out(&mut self, user: UserId, out: &mut dyn Outlet) -> Result<(), Refusal> {
        self.known(user)?;
        self.end_admin_by_account(user);
        self.change_identity(user, |who| who.account = None, out)
    }

    pub(super) fn set_password(
        &mut self,
        user: UserId,
        verifier: Arc<str>,
        label: Label,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let account = self.own_account(user)?;
        if verifier.len() > SECRET_BYTES_MAX {
            return Err(Refusal::TooLong(SECRET_BYTES_MAX));
        }
        let change = AccountChange::Verifier(verifier);
        let (asker, receipt) = (Some((user, label)), Receipt::PasswordSet);
        self.change_account(asker, account, change, (receipt, None), out)
    }

    pub(super) fn set_certificate(
        &mut self,
        user: UserId,
        fingerprint: Arc<str>,
        add: bool,
        label: Label,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let account = self.own_account(user)?;
        if fingerprint.len() > SECRET_BYTES_MAX {
            return Err(Refusal::TooLong(SECRET_BYTES_MAX));
        }
        let taken = self.certificates.get(&fingerprint);
        if add && taken.is_some_and(|owner| *owner != account) {
            return Err(Refusal::AccountExists("this certificate".into()));
        }
        let change = AccountChange::Certificate { fingerprint, add };
        let (asker, receipt) = (Some((user, label)), Receipt::CertificateSet);
        self.change_account(asker, account, change, (receipt, None), out)
    }

    /// The folded name of the account that a user is logged in to.
    fn own_account(&self, user: UserId) -> Result<Arc<str>, Refusal> {
        let name = self.known(user)?.account().ok_or(Refusal::NeedsAccount)?;
        Ok(names::folded(name))
    }

    /// An account, by its folded name, is to be changed.
    pub(super) fn change_account(
        &mut self,
        asker: Asker,
        account: Arc<str>,
        change: AccountChange,
        (receipt, audit): (Receipt, Option<Write>),
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let bytes = 512 + SECRET_BYTES_MAX;
        self.reserve(&asker, bytes, None, out)?;
        self.push(Deed {
            by: asker,
            room: None,
            wish: Wish::Account {
                account,
                change,
                receipt,
                audit,
            },
            bytes,
        });
        Ok(())
    }
}
