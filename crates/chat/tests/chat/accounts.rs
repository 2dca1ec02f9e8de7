//! Accounts, nicks that belong to them, and what administrators do.

use std::sync::Arc;

use switchboard_chat::chat::command::{AdminCommand, Command};
use switchboard_chat::chat::event::{Event, Receipt};
use switchboard_chat::chat::refusal::Refusal;
use switchboard_chat::chat::settings::{Registration, Settings};
use switchboard_chat::store::StoreError;
use switchboard_chat::store::record::Write;

use super::world::World;

fn register(account: &str, invitation: Option<&str>) -> Command {
    Command::Register {
        account: account.into(),
        verifier: "v".into(),
        invitation: invitation.map(Into::into),
        label: Some("r".into()),
    }
}

#[test]
fn an_account_is_made_when_it_is_stored() {
    let mut world = World::new();
    let (ann, eve) = (world.enter("ann"), world.enter("eve"));
    world.ask(ann, register("Ann", None)).unwrap();
    assert!(world.chat.account("ann").is_none());
    assert_eq!(
        world.ask(eve, register("ann", None)),
        Err(Refusal::AccountExists("ann".into()))
    );
    world.store_next(Err(StoreError::Full));
    assert!(world.chat.account("ann").is_none());
    world.ask(ann, register("Ann", None)).unwrap();
    world.store_all();
    assert!(
        matches!(world.heard.answers.last(), Some((_, _, Ok(Receipt::Registered { account }))) if &**account == "Ann")
    );
    assert_eq!(
        world.chat.user(ann).unwrap().account().map(|name| &**name),
        Some("Ann")
    );
}

#[test]
fn the_nick_of_an_account_is_its_own() {
    let mut world = World::new();
    world.account("ann");
    assert_eq!(
        world.enter_as("ANN", None),
        Err(Refusal::NickReserved("ANN".into()))
    );
    let first = world.enter_as("ann", Some("ann")).unwrap();
    // The same person comes back while the old connection hangs.
    let second = world.enter_as("ann", Some("ann")).unwrap();
    assert_eq!(world.heard.dismissed.len(), 1);
    assert_eq!(world.heard.dismissed[0].0, first);
    assert_eq!(world.chat.find("ann"), Some(second));
    let eve = world.enter("eve");
    let rename = Command::Rename { nick: "ann".into() };
    assert_eq!(
        world.ask(eve, rename),
        Err(Refusal::NickReserved("ann".into()))
    );
    assert_eq!(
        world.enter_as("eve", None),
        Err(Refusal::NickInUse("eve".into()))
    );
    // Nobody registers the nick of somebody else who is there.
    let bob = world.enter("bob");
    assert_eq!(
        world.ask(bob, register("eve", None)),
        Err(Refusal::NickInUse("eve".into()))
    );
}

#[test]
fn messages_to_a_person_reach_all_connections_of_both_and_those_who_are_away() {
    let mut world = World::new();
    world.account("ann");
    world.account("bob");
    let ann = world.enter_as("ann", Some("ann")).unwrap();
    let phone = world.enter_as("ann-phone", Some("ann")).unwrap();
    let eve = world.enter("eve");
    world.say(ann, "bob", "are you there?").unwrap();
    world.store_all();
    assert_eq!(world.texts(ann), ["are you there?"]);
    assert_eq!(world.texts(phone), ["are you there?"]);
    assert!(world.texts(eve).is_empty());
    let bob = world.enter_as("bob", Some("bob")).unwrap();
    world.say(bob, "ann", "yes").unwrap();
    world.store_all();
    assert_eq!(world.texts(phone), ["are you there?", "yes"]);
    assert_eq!(world.texts(bob), ["yes"]);
}

#[test]
fn registration_by_invitation() {
    let mut world = World::with(Settings {
        registration: Registration::Invitation,
        ..Settings::default()
    });
    let (root, ann) = (world.enter("root"), world.enter("ann"));
    assert_eq!(
        world.ask(ann, register("ann", None)),
        Err(Refusal::BadInvitation)
    );
    let invite = || AdminCommand::Invite {
        code: "secret".into(),
    };
    assert_eq!(
        world.ask(ann, Command::Admin(invite(), None)),
        Err(Refusal::NeedsAdmin)
    );
    world.promote(root);
    world.ask(root, Command::Admin(invite(), None)).unwrap();
    world.store_all();
    world.ask(ann, register("ann", Some("secret"))).unwrap();
    world.store_next(Err(StoreError::Full));
    // It failed, so the invitation is still good.
    world.ask(ann, register("ann", Some("secret"))).unwrap();
    world.store_all();
    assert!(world.chat.account("ann").is_some());
    let bob = world.enter("bob");
    assert_eq!(
        world.ask(bob, register("bob", Some("secret"))),
        Err(Refusal::BadInvitation)
    );
}

#[test]
fn nobody_is_an_administrator_before_it_is_in_the_audit_log() {
    let mut world = World::new();
    world.account("ann");
    let (root, ann) = (world.enter("root"), world.enter_as("ann", Some("ann")));
    let ann = ann.unwrap();
    let is_admin = |world: &World, user| world.chat.user(user).unwrap().is_admin();
    let become_admin = |label: &str| Command::BecomeAdmin(Some(label.into()));
    world.ask(root, become_admin("1")).unwrap();
    let announce = Command::Admin(AdminCommand::Announce("x".into()), None);
    assert_eq!(world.ask(root, announce), Err(Refusal::NeedsAdmin));
    world.store_next(Err(StoreError::Full));
    assert!(!is_admin(&world, root));
    let (_, label, answer) = world.heard.answers.pop().unwrap();
    assert_eq!(label.as_deref(), Some("1"));
    assert!(matches!(answer, Err(Refusal::CannotStore(_))));
    world.ask(root, become_admin("2")).unwrap();
    world.ask(root, become_admin("3")).unwrap();
    world.ask(ann, become_admin("4")).unwrap();
    world.ask(ann, Command::LogOut).unwrap();
    world.stored.clear();
    world.store_all();
    assert!(is_admin(&world, root));
    let nick: Arc<str> = "root".into();
    let administrator = || Ok(Receipt::Administrator { nick: nick.clone() });
    // What came with the account has gone with it.
    assert!(!is_admin(&world, ann));
    assert_eq!(
        world.heard.answers,
        [
            (root, Some("2".into()), administrator()),
            (root, Some("3".into()), administrator()),
            (ann, Some("4".into()), Err(Refusal::NeedsAdmin)),
        ]
    );
    let is_of_root =
        |write: &&Write| matches!(write, Write::Audit { admin, .. } if admin.starts_with("root"));
    assert_eq!(world.stored.iter().filter(is_of_root).count(), 1);
}

#[test]
fn a_server_ban_ends_who_is_there_and_keeps_them_out() {
    let mut world = World::new();
    let root = world.enter("root");
    world.promote(root);
    let eve = world.enter("eve");
    world.join(root, "#a").unwrap();
    world.join(eve, "#a").unwrap();
    let ban = AdminCommand::Ban {
        mask: "eve".into(),
        seconds: Some(60),
        reason: "spam".into(),
    };
    world.ask(root, Command::Admin(ban, None)).unwrap();
    world.store_all();
    assert_eq!(world.heard.dismissed, [(eve, "banned: spam".to_owned())]);
    assert!(matches!(
        world.events(root).last(),
        Some(Event::Quit { .. })
    ));
    assert_eq!(
        world.enter_as("eve", None),
        Err(Refusal::BannedFromServer("spam".into()))
    );
    world.pass(60_000);
    world.enter("eve");
    let audited = world
        .stored
        .iter()
        .filter(|write| matches!(write, Write::Audit { .. }));
    assert_eq!(audited.count(), 2, "becoming one, and the ban");
}

#[test]
fn who_watches_is_told_who_comes_and_goes() {
    let mut world = World::new();
    let ann = world.enter("ann");
    assert_eq!(world.chat.watch(ann, "Bob"), Ok(None));
    let bob = world.enter("bob");
    world.chat.leave(bob, "", world.now, &mut world.heard);
    let watched: Vec<bool> = world
        .events(ann)
        .iter()
        .filter_map(|event| match event {
            Event::Watched { user, .. } => Some(user.is_some()),
            _ => None,
        })
        .collect();
    assert_eq!(watched, [true, false]);
    world.chat.unwatch(ann, "BOB");
    world.forget();
    world.enter("bob");
    assert!(world.events(ann).is_empty());
}
