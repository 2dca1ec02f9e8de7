//! What administrators do, and that nobody else does.

use switchboard_chat::chat::settings::{Registration, Settings};
use switchboard_chat::store::record::Write;

use crate::server::Server;

/// A server that `ann` administers; she is not there.
fn with_an_admin(registration: Registration) -> Server {
    let mut server = Server::new();
    server.enter_with_account("ann", "");
    server.lose("ann");
    let now = server.now;
    server.chat.reconfigure(
        Settings {
            server: "s".into(),
            admins: vec!["ann".into(), "root".into()],
            registration,
            ..Settings::default()
        },
        now,
    );
    server
}

fn log_in(server: &mut Server, caps: &str) {
    server.connect("ann");
    server.say("ann", &format!("CAP REQ :sasl {caps}"));
    let plain = switchboard_chat::accounts::sasl::chunks(b"\0ann\0correct horse");
    server.say("ann", "NICK ann");
    server.say("ann", "USER ann 0 * :x");
    server.say("ann", "AUTHENTICATE PLAIN");
    server.say("ann", &format!("AUTHENTICATE {}", plain[0]));
    server.say("ann", "CAP END");
}

/// Logs in, and is an administrator once that is in the audit log.
fn log_in_as_admin(server: &mut Server, caps: &str) {
    log_in(server, caps);
    server.store();
    let told = server.heard("ann");
    let last = told.last().map(String::as_str);
    assert_eq!(last, Some(":s 381 ann :You are now an IRC operator"));
}

#[test]
fn an_account_makes_an_administrator_and_its_name_is_for_nobody_else() {
    let mut server = with_an_admin(Registration::Open);
    server.enter("eve", "standard-replies");
    server.say("eve", "OPER ann guess");
    let text = "log in to an administrator's account: its owner is one";
    server.hears("eve", &[&format!(":s 491 eve :{text}")]);
    server.say("eve", "REGISTER root * :correct horse");
    assert!(server.heard("eve")[0].contains(" 433 eve root "));
    log_in(&mut server, "labeled-response batch");
    server.heard("ann");
    server.say("ann", "@label=1 OPER ann x");
    server.say("ann", "MODE ann");
    server.hears("ann", &[":s 221 ann +i"]);
    server.store();
    server.say("ann", "OPER ann x");
    server.say("ann", "MODE ann");
    let told = ":s 381 ann :You are now an IRC operator";
    let labeled = format!("@label=1 {told}");
    server.hears("ann", &[told, &labeled, told, ":s 221 ann +io"]);
    let audit = server.stored.iter().filter_map(|write| match write {
        Write::Audit { admin, action, .. } => Some(format!("{admin}: {action}")),
        _ => None,
    });
    assert_eq!(
        audit.collect::<Vec<_>>(),
        ["ann (ann): became an administrator"]
    );
}

#[test]
fn others_are_refused() {
    let mut server = Server::new();
    server.enter("eve", "");
    for line in [
        "KILL eve :x",
        "KLINE 5 *@host :x",
        "UNKLINE *@host",
        "WALLOPS :x",
        "ANNOUNCE :x",
        "INVITECODE",
        "SUSPEND ann",
        "AUDIT",
    ] {
        server.say("eve", line);
        let told = server.heard("eve");
        assert!(
            told.len() == 1 && told[0].starts_with(":s 481 eve :"),
            "{line}: {told:?}"
        );
    }
    server.store();
    assert_eq!(server.stored, []);
}

#[test]
fn an_administrator_ends_bans_announces_and_looks_it_up() {
    let mut server = with_an_admin(Registration::Open);
    log_in_as_admin(&mut server, "");
    server.connect_from("bob", "10.0.0.7");
    server.say("bob", "NICK bob");
    server.say("bob", "USER bob 0 * :x");
    server.enter("eve", "");
    server.heard("bob");
    server.say("ann", "ANNOUNCE :tea is ready");
    // It is in the audit log first.
    server.hears("eve", &[]);
    server.store();
    server.hears("eve", &[":s NOTICE * :tea is ready"]);
    server.say("ann", "KILL eve :enough");
    server.store();
    server.hears("eve", &["ERROR :an administrator says: enough"]);
    server.say("ann", "KLINE 1h 10.0.0.0/8 :spam");
    server.store();
    assert!(server.is_closed("bob"));
    server.heard("ann");
    server.say("ann", "UNKLINE 10.0.0.0/8");
    server.store();
    server.heard("ann");
    server.say("ann", "AUDIT 2");
    let told = server.heard("ann");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].ends_with("took the ban of *!*@10.0.0.0/8 back"),
        "{told:?}"
    );
    assert!(told[1].ends_with("banned *!*@10.0.0.0/8: spam"), "{told:?}");
}

#[test]
fn where_registration_is_closed_administrators_make_accounts_for_others() {
    let mut server = with_an_admin(Registration::Closed);
    server.enter("bob", "");
    server.say("bob", "REGISTER * * :correct horse");
    assert!(server.heard("bob")[0].contains("REGISTER :"));
    log_in_as_admin(&mut server, "standard-replies");
    server.say("ann", "REGISTER ann * :correct horse");
    server.say("ann", "REGISTER bob * :correct horse");
    server.say("ann", "REGISTER carol * :correct horse");
    server.store();
    let told = server.heard("ann");
    assert!(
        told[0].starts_with(":s FAIL REGISTER ACCOUNT_EXISTS ann "),
        "{told:?}"
    );
    // Or somebody would find their nick taken by an account.
    assert!(told[1].starts_with(":s 433 ann bob "), "{told:?}");
    assert_eq!(told[2], ":s NOTICE * :there is an account carol now");
    let ann = server.chat.find("ann").unwrap();
    let account = server.chat.user(ann).unwrap().account();
    assert_eq!(account.map(|account| &**account), Some("ann"));
    server.say("bob", "NS IDENTIFY carol correct horse");
    assert!(server.heard("bob")[0].contains(" 900 "));
}

#[test]
fn an_invitation_code_lets_somebody_register() {
    let mut server = with_an_admin(Registration::Invitation);
    log_in_as_admin(&mut server, "labeled-response batch");
    server.say("ann", "@label=1 INVITECODE");
    server.store();
    let told = server.heard("ann");
    let code = told[0].rsplit(':').next().unwrap().to_owned();
    assert!(
        told[0].starts_with("@label=1 ") && code.len() == 16,
        "{told:?}"
    );
    server.enter("bob", "");
    server.say("bob", "REGISTER * wrong :correct horse");
    server.say("bob", &format!("REGISTER * {code} :correct horse"));
    server.store();
    let told = server.heard("bob");
    assert!(
        told[0].contains("invitation") && told[1].contains("REGISTER SUCCESS bob"),
        "{told:?}"
    );
    server.say("ann", "SUSPEND bob");
    server.store();
    assert!(server.is_closed("bob"));
}
