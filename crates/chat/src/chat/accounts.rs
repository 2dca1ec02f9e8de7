//! Accounts as the chat knows them: made, logged in to, changed. It must never see a password: it
//! is given verifiers, and told of logins that the adapter has checked.

use std::sync::Arc;

use super::command::{Change, Label, Role};
use super::event::{Event, Receipt};
use super::ids::{Moment, UserId};
use super::outlet::Outlet;
use super::pending::{Deed, Then};
use super::refusal::Refusal;
use super::settings::Registration;
use super::{Chat, names};
use crate::store::record::{AccountRecord, Write};

/// Certificates that log in to one account.
const CERTIFICATES_MAX: usize = 16;

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
        self.registering.insert(names::folded(&name));
        let record = Arc::new(AccountRecord {
            name: Arc::clone(&name),
            verifier,
            created_unix_ms: self.stamp(now),
            certificates: Vec::new(),
            suspended: false,
        });
        let used_up = used.iter().map(|code| Write::Invitation {
            code: Arc::clone(code),
            used_by: Some(Arc::clone(&name)),
        });
        let more = used_up.collect();
        if let Some(code) = &used {
            self.invitations.remove(code);
        }
        self.pending.push(Deed {
            by: asker,
            first: Write::Account(Arc::clone(&record)),
            more,
            then: Then::Registered {
                account: record,
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
        if names::check_nick(name).is_err() {
            return Err(Refusal::BadAccountName(name.into()));
        }
        if self.account(name).is_some() || self.registering.contains(names::fold(name).as_ref()) {
            return Err(Refusal::AccountExists(name.into()));
        }
        // Or somebody could take the name from under whoever is called so.
        match self.users.find(name) {
            Some(other) if other != user => Err(Refusal::NickInUse(name.into())),
            _ => Ok(()),
        }
    }

    pub(super) fn give_up_registration(
        &mut self,
        account: &AccountRecord,
        invitation: Option<Arc<str>>,
    ) {
        self.registering.remove(names::fold(&account.name).as_ref());
        self.invitations.extend(invitation);
    }

    /// What follows from a stored change of accounts, bans and invitations.
    pub(super) fn account_done(
        &mut self,
        then: Then,
        sender: Option<UserId>,
        label: Label,
        now: Moment,
        out: &mut dyn Outlet,
    ) {
        let mut answer = |receipt: Receipt| {
            if let Some(sender) = sender {
                out.answer(sender, label.clone(), Ok(receipt));
            }
        };
        match then {
            Then::Registered { account, .. } => {
                self.registering.remove(names::fold(&account.name).as_ref());
                let name = Arc::clone(&account.name);
                self.keep_account(account);
                if let Some(sender) = sender.filter(|sender| self.users.get(*sender).is_some()) {
                    out.answer(
                        sender,
                        label,
                        Ok(Receipt::Registered {
                            account: name.clone(),
                        }),
                    );
                    // The account is there, so this can fail only if the user is gone again.
                    let _ = self.log_in(sender, &name, now, out);
                }
            }
            Then::Account(account, receipt) => {
                let suspended = account.suspended.then(|| Arc::clone(&account.name));
                self.keep_account(account);
                answer(receipt);
                if let Some(name) = suspended {
                    let connections = self.users.of_account(&name).to_vec();
                    for user in connections {
                        self.dismiss(user, "this account is suspended", now, out);
                    }
                }
            }
            Then::Banned(ban) => {
                let text = format!("{} is banned", ban.mask).into();
                self.admissions.add_ban(Arc::clone(&ban));
                answer(Receipt::Administered { text });
                self.enforce_ban(&ban, now, out);
            }
            Then::Unbanned(mask) => {
                self.admissions.remove_ban(&mask);
                let text = format!("{mask} is not banned any more").into();
                answer(Receipt::Administered { text });
            }
            Then::InvitationMade(code) => {
                self.invitations.insert(Arc::clone(&code));
                answer(Receipt::Administered { text: code });
            }
            Then::Nothing
            | Then::Said(_)
            | Then::Redacted { .. }
            | Then::Topic { .. }
            | Then::Changed { .. } => {}
        }
    }

    pub(super) fn keep_account(&mut self, account: Arc<AccountRecord>) {
        let folded = names::folded(&account.name);
        self.certificates.retain(|_, owner| *owner != folded);
        for fingerprint in &account.certificates {
            self.certificates
                .insert(Arc::clone(fingerprint), Arc::clone(&folded));
        }
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
        self.change_identity(user, |who| who.account = Some(Arc::clone(&name)), out)?;
        let identity = Arc::clone(self.identity(user)?);
        let _ = now;
        // Roles that belong to the account are given in the rooms that the user is in already.
        for id in self.known(user)?.rooms.clone() {
            let Some(room) = self.rooms.get_mut(id) else {
                continue;
            };
            let role = room.role_of_account(&name);
            let room_name = Arc::clone(room.name());
            let Some(had) = room.members.get_mut(&user).filter(|had| **had < role) else {
                continue;
            };
            *had = role;
            let event = Event::RoomChanged {
                by: None,
                room: room_name,
                changes: vec![Change::Role {
                    nick: Arc::clone(&identity.nick),
                    role,
                    add: true,
                }],
                sender: None,
                label: None,
            };
            debug_assert!(
                role > Role::Member,
                "only a role above another one is given"
            );
            self.tell_room(id, &event, out);
        }
        Ok(())
    }

    pub(super) fn set_password(
        &mut self,
        user: UserId,
        verifier: Arc<str>,
        label: Label,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let mut account = self.own_account(user)?;
        account.verifier = verifier;
        self.store_account(
            Some((user, label)),
            account,
            Receipt::PasswordSet,
            None,
            out,
        )
    }

    pub(super) fn set_certificate(
        &mut self,
        user: UserId,
        fingerprint: Arc<str>,
        add: bool,
        label: Label,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let mut account = self.own_account(user)?;
        account.certificates.retain(|known| *known != fingerprint);
        if add {
            let taken = self.certificates.get(&fingerprint);
            if taken.is_some_and(|owner| !names::are_same(owner, &account.name)) {
                return Err(Refusal::AccountExists("this certificate".into()));
            }
            if account.certificates.len() >= CERTIFICATES_MAX {
                return Err(Refusal::ListFull("certificates".into()));
            }
            account.certificates.push(fingerprint);
        }
        self.store_account(
            Some((user, label)),
            account,
            Receipt::CertificateSet,
            None,
            out,
        )
    }

    fn own_account(&self, user: UserId) -> Result<AccountRecord, Refusal> {
        let name = self.known(user)?.account().ok_or(Refusal::NeedsAccount)?;
        let account = self.account(name).ok_or(Refusal::NeedsAccount)?;
        Ok(AccountRecord::clone(account))
    }

    pub(super) fn store_account(
        &mut self,
        asker: super::Asker,
        account: AccountRecord,
        receipt: Receipt,
        audit: Option<Write>,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        self.reserve(&asker, 512, None, out)?;
        let account = Arc::new(account);
        self.pending.push(Deed {
            by: asker,
            first: Write::Account(Arc::clone(&account)),
            more: audit.into_iter().collect(),
            then: Then::Account(account, receipt),
            bytes: 512,
        });
        Ok(())
    }
}
