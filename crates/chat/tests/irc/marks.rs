//! Up to where one has read, on all of one's clients.

use std::sync::Arc;

use switchboard_chat::chat::MARKS_MAX;

use crate::server::Server;

const CAPS: &str = "draft/read-marker standard-replies";
const LATER: &str = "timestamp=2001-09-09T01:46:40.000Z";
const EARLIER: &str = "timestamp=2001-09-09T01:40:00.000Z";

#[test]
fn a_mark_is_told_to_all_clients_and_never_goes_back() {
    let mut server = Server::new();
    server.enter_with_account("ann", CAPS);
    server.say("ann", "JOIN #a");
    server.store();
    server.hears(
        "ann",
        &[
            ":ann!ann@host JOIN #a",
            ":s 353 ann = #a :~ann",
            ":s 366 ann #a :End of /NAMES list",
            ":s MARKREAD #a *",
        ],
    );
    server.say("ann", &format!("MARKREAD #A {LATER}"));
    server.hears("ann", &[]);
    server.store();
    server.say("ann", &format!("MARKREAD #a {EARLIER}"));
    server.say("ann", "MARKREAD #a");
    let mark = format!(":s MARKREAD #a {LATER}");
    server.hears("ann", &[&mark, &mark, &mark]);
    // What is in the future was not read.
    server.enter("bob", "");
    server.say("ann", "MARKREAD bob timestamp=2030-01-01T00:00:00.000Z");
    server.store();
    server.hears("ann", &[&format!(":s MARKREAD bob {LATER}")]);
    // Nobody is called so.
    server.say("ann", &format!("MARKREAD eve {LATER}"));
    let told = server.heard("ann");
    assert!(told[0].starts_with(":s FAIL MARKREAD "), "{told:?}");
    assert!(server.chat.next_batch().is_none());
}

#[test]
fn a_mark_that_is_asked_for_while_a_later_one_is_stored_does_not_go_back() {
    let mut server = Server::new();
    server.enter_with_account("ann", CAPS);
    server.say("ann", "JOIN #a");
    server.store();
    server.heard("ann");
    server.say("ann", &format!("MARKREAD #a {LATER}"));
    server.say("ann", &format!("MARKREAD #a {EARLIER}"));
    server.store();
    let mark = format!(":s MARKREAD #a {LATER}");
    server.hears("ann", &[&mark, &mark]);
}

#[test]
fn a_mark_is_there_when_one_comes_back() {
    let mut server = Server::new();
    server.enter_with_account("ann", CAPS);
    server.say("ann", "JOIN #a");
    server.say("ann", &format!("MARKREAD #a {EARLIER}"));
    server.store();
    server.lose("ann");
    server.connect("ann");
    for line in [
        "CAP REQ :sasl draft/read-marker",
        "NICK ann",
        "USER ann 0 * :x",
    ] {
        server.say("ann", line);
    }
    let plain = switchboard_chat::accounts::sasl::chunks(b"\0ann\0correct horse");
    server.say("ann", "AUTHENTICATE PLAIN");
    server.say("ann", &format!("AUTHENTICATE {}", plain[0]));
    server.say("ann", "CAP END");
    server.heard("ann");
    server.say("ann", "JOIN #a");
    server.hears(
        "ann",
        &[
            ":ann!ann@host JOIN #a",
            ":s MODE #a +q ann",
            &format!(":s MARKREAD #a {EARLIER}"),
            ":s 353 ann = #a :~ann",
            ":s 366 ann #a :End of /NAMES list",
        ],
    );
}

#[test]
fn who_logs_in_late_is_told_of_the_marks_of_its_rooms() {
    let mut server = Server::new();
    server.enter_with_account("ann", CAPS);
    server.say("ann", "JOIN #a");
    server.say("ann", &format!("MARKREAD #a {EARLIER}"));
    server.store();
    let mark = format!(":s MARKREAD #a {EARLIER}");
    // While another connection is there, and after it.
    for name in ["one", "two"] {
        server.enter(name, CAPS);
        server.say(name, "JOIN #a");
        server.heard(name);
        server.say(name, "NS IDENTIFY ann :correct horse");
        assert_eq!(server.heard(name).last(), Some(&mark), "{name}");
        server.lose("ann");
        server.lose(name);
        server.connect("ann");
    }
}

#[test]
fn marks_in_memory_are_bounded() {
    let mut server = Server::new();
    server.enter_with_account("ann", CAPS);
    let user = server.chat.find("ann").unwrap();
    let stored: Vec<_> = (0..=MARKS_MAX)
        .map(|number| (Arc::from(format!("#{number}")), 7))
        .collect();
    server.chat.learn_marks("ann", &stored);
    assert_eq!(
        server.chat.mark(user, &format!("#{}", MARKS_MAX - 1)),
        Some(7)
    );
    assert_eq!(server.chat.mark(user, &format!("#{MARKS_MAX}")), None);
    // One more is stored, and not kept; one that is kept goes on.
    server.say("ann", "JOIN #a,#0");
    server.say("ann", &format!("MARKREAD #a {LATER}"));
    server.say("ann", &format!("MARKREAD #0 {LATER}"));
    server.store();
    assert_eq!(server.chat.mark(user, "#a"), None);
    assert_eq!(server.chat.mark(user, "#0"), Some(1_000_000_000_000));
}

#[test]
fn what_is_wrong_is_answered() {
    let mut server = Server::new();
    server.enter("eve", CAPS);
    server.say("eve", "MARKREAD");
    server.say("eve", "MARKREAD #a 2001");
    server.say("eve", &format!("MARKREAD #a {LATER}"));
    server.say("eve", "MARKREAD #a");
    let fail = ":s FAIL MARKREAD";
    server.hears(
        "eve",
        &[
            &format!("{fail} NEED_MORE_PARAMS :Missing parameters"),
            &format!("{fail} INVALID_PARAMS #a 2001 :Invalid timestamp"),
            &format!("{fail} INTERNAL_ERROR #a :log in to an account first"),
            ":s MARKREAD #a *",
        ],
    );
}
