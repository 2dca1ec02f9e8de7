//! What was said before: asked for, searched, and told to those who may know.

use switchboard_chat::store::StoreError;

use crate::server::Server;

const ALL: &str = "batch message-tags server-time labeled-response draft/chathistory \
                   draft/event-playback standard-replies";
const SOME: &str = "batch message-tags standard-replies";

/// A room of an account's, which is kept; `ann` has said three things there.
fn a_room_with_a_past(caps: &str) -> Server {
    let mut server = Server::new();
    server.enter_with_account("ann", caps);
    server.say("ann", "JOIN #a");
    server.store();
    for text in ["one", "two", "three"] {
        server.pass(1);
        server.say("ann", &format!("PRIVMSG #a :{text}"));
        server.store();
    }
    server.heard("ann");
    server
}

fn said(text: &str, msgid: &str) -> String {
    format!("@batch=history;msgid=00000000-{msgid} :ann!ann@host PRIVMSG #a :{text}")
}

/// The texts and kinds of what is in a batch.
#[track_caller]
fn past(server: &mut Server, line: &str) -> Vec<String> {
    server.say("ann", line);
    let told = server.heard("ann");
    assert!(told[0].contains("BATCH +history chathistory"), "{told:?}");
    assert!(told[told.len() - 1].ends_with("BATCH -history"), "{told:?}");
    let inner = told[1..told.len() - 1].iter();
    inner
        .map(|line| {
            assert!(line.starts_with("@batch=history"), "{line}");
            let (_, text) = line.split_once("ann!ann@host ").unwrap();
            text.replace("PRIVMSG #a :", "")
        })
        .collect()
}

#[test]
fn the_latest_messages_come_in_a_batch() {
    let mut server = a_room_with_a_past(SOME);
    server.say("ann", "CHATHISTORY LATEST #A * 2");
    server.hears(
        "ann",
        &[
            ":s BATCH +history chathistory #a",
            &said("two", "2"),
            &said("three", "3"),
            ":s BATCH -history",
        ],
    );
}

#[test]
fn any_part_can_be_asked_for() {
    let mut server = a_room_with_a_past(SOME);
    let time = |second: u64| format!("timestamp=2001-09-09T01:46:{}.000Z", 40 + second);
    let mut gets = |line: &str, expected: &[&str]| {
        assert_eq!(past(&mut server, line), expected, "{line}");
    };
    gets("CHATHISTORY BEFORE #a msgid=00000000-3 9", &["one", "two"]);
    gets("CHATHISTORY BEFORE #a msgid=00000000-3 1", &["two"]);
    gets(
        &format!("CHATHISTORY AFTER #a {} 9", time(1)),
        &["two", "three"],
    );
    gets("CHATHISTORY LATEST #a msgid=00000000-2 9", &["three"]);
    gets(
        "CHATHISTORY AROUND #a msgid=00000000-2 3",
        &["one", "two", "three"],
    );
    gets(
        &format!("CHATHISTORY BETWEEN #a {} {} 1", time(0), time(9)),
        &["one"],
    );
    gets(
        &format!("CHATHISTORY BETWEEN #a {} {} 1", time(9), time(0)),
        &["three"],
    );
    gets("CHATHISTORY AFTER #a msgid=00000000-3 9", &[]);
}

#[test]
fn what_happened_is_told_to_who_wants_it() {
    let mut server = a_room_with_a_past(ALL);
    server.enter("bob", "");
    server.say("bob", "JOIN #a");
    server.store();
    server.say("ann", "TOPIC #a :tea");
    server.say("ann", "MODE #a +ke-n tea a!*@*");
    server.say("bob", "NICK rob");
    server.say("bob", "PART #a :bye");
    server.store();
    server.heard("ann");
    server.say("ann", "@label=1 CHATHISTORY AFTER #a msgid=00000000-3 9");
    let told = server.heard("ann");
    let lines: Vec<&str> = told
        .iter()
        .map(|line| line.split_once(" :").map_or("", |(_, line)| line))
        .collect();
    assert_eq!(told[0], "@label=1 :s BATCH +history chathistory #a");
    assert!(told[1].starts_with("@batch=history;time=2001-09-09T01:46:43.000Z;msgid=00000000-"));
    assert_eq!(
        lines[1..],
        [
            "bob!bob@host JOIN #a",
            "bob!bob@host NICK rob",
            "rob!bob@host PART #a :bye",
            "ann!ann@host TOPIC #a :tea",
            "ann!ann@host MODE #a +ke-n * a!*@*",
            "",
        ]
    );
}

#[test]
fn a_message_that_was_taken_back_is_gone_and_is_no_end() {
    let mut server = a_room_with_a_past(&format!("{SOME} draft/message-redaction"));
    server.say("ann", "REDACT #a 00000000-3");
    server.say("ann", "REDACT #a 00000000-2");
    server.store();
    server.heard("ann");
    // The last page shows nothing, and there is more before it.
    assert_eq!(past(&mut server, "CHATHISTORY LATEST #a * 1"), ["one"]);
    assert_eq!(
        past(&mut server, "CHATHISTORY AFTER #a msgid=00000000-1 1"),
        [""; 0]
    );
}

#[test]
fn a_message_of_several_lines_comes_as_such() {
    let mut server = a_room_with_a_past(&format!("{SOME} draft/multiline"));
    for line in [
        "BATCH +1 draft/multiline #a",
        "@batch=1 PRIVMSG #a :x",
        "@batch=1 PRIVMSG #a :y",
        "BATCH -1",
    ] {
        server.say("ann", line);
    }
    server.store();
    server.heard("ann");
    server.say("ann", "CHATHISTORY LATEST #a * 1");
    server.hears(
        "ann",
        &[
            ":s BATCH +history chathistory #a",
            "@batch=history;msgid=00000000-4 :ann!ann@host BATCH +00000000-4 draft/multiline #a",
            "@batch=00000000-4 :ann!ann@host PRIVMSG #a :x",
            "@batch=00000000-4 :ann!ann@host PRIVMSG #a :y",
            "@batch=history :s BATCH -00000000-4",
            ":s BATCH -history",
        ],
    );
}

#[test]
fn history_is_for_those_who_are_there() {
    let mut server = a_room_with_a_past(SOME);
    server.enter("eve", "standard-replies batch");
    server.say("eve", "CHATHISTORY LATEST #a * 2");
    let text = "you are not in #a: join it first";
    let fail = ":s FAIL CHATHISTORY INVALID_TARGET LATEST";
    server.hears("eve", &[&format!("{fail} #a :{text}")]);
    server.say("eve", "CHATHISTORY LATEST #none * 2");
    server.hears("eve", &[&format!("{fail} #none :there is no room #none")]);
    server.say("eve", "CHATHISTORY LATEST ann * 2");
    server.hears("eve", &[&format!("{fail} ann :log in to an account first")]);
    server.say("eve", "JOIN #a");
    let told = server.heard("eve");
    assert!(
        !told.iter().any(|line| line.contains("PRIVMSG")),
        "{told:?}"
    );
}

#[test]
fn what_is_wrong_is_answered() {
    let mut server = a_room_with_a_past(SOME);
    server.say("ann", "CHATHISTORY");
    server.say("ann", "CHATHISTORY LATEST #a 5");
    server.say("ann", "CHATHISTORY BEFORE #a id=5 5");
    let fail = ":s FAIL CHATHISTORY";
    server.hears(
        "ann",
        &[
            &format!("{fail} INVALID_PARAMS * :Unknown command"),
            &format!("{fail} INVALID_PARAMS LATEST :Insufficient parameters"),
            &format!("{fail} INVALID_MSGREFTYPE BEFORE #a id=5 :msgid= and timestamp= are known"),
        ],
    );
    server.archive_fails = Some(StoreError::Failed("no".to_owned()));
    server.say("ann", "CHATHISTORY LATEST #a * 5");
    server.hears(
        "ann",
        &[&format!(
            "{fail} MESSAGE_ERROR LATEST #a :the store fails: no"
        )],
    );
}

#[test]
fn conversations_are_found_again() {
    let mut server = a_room_with_a_past(SOME);
    server.enter_with_account("bob", SOME);
    server.pass(5);
    server.say("bob", "PRIVMSG ann :psst");
    server.store();
    server.heard("ann");
    server.say(
        "ann",
        "CHATHISTORY TARGETS timestamp=2001-09-09T01:46:40.000Z timestamp=2030-01-01T00:00:00.000Z 9",
    );
    server.hears(
        "ann",
        &[
            ":s BATCH +history draft/chathistory-targets",
            "@batch=history :s CHATHISTORY TARGETS #a 2001-09-09T01:46:43.000Z",
            "@batch=history :s CHATHISTORY TARGETS bob 2001-09-09T01:46:48.000Z",
            ":s BATCH -history",
        ],
    );
    server.say("ann", "CHATHISTORY LATEST bob * 9");
    let told = server.heard("ann");
    assert_eq!(told[0], ":s BATCH +history chathistory bob");
    assert!(
        told[1].ends_with(":bob!bob@host PRIVMSG ann :psst"),
        "{told:?}"
    );
}

#[test]
fn a_client_without_batches_gets_lines() {
    let mut server = a_room_with_a_past("");
    server.say("ann", "CHATHISTORY LATEST #a * 1");
    server.hears("ann", &[":ann!ann@host PRIVMSG #a :three"]);
}

#[test]
fn words_are_searched_for() {
    let mut server = a_room_with_a_past(&format!("{SOME} soju.im/search"));
    server.say("ann", "SEARCH in=#a;text=t");
    server.hears(
        "ann",
        &[
            ":s BATCH +history soju.im/search",
            &said("two", "2"),
            &said("three", "3"),
            ":s BATCH -history",
        ],
    );
    server.say("ann", r"SEARCH text=t;after=2001-09-09T01:46:42.000Z");
    assert_eq!(server.heard("ann")[1], said("three", "3"));
    server.say("ann", "SEARCH in=#none;text=t");
    server.say("ann", "SEARCH in=#a");
    server.say("ann", "SEARCH text=t;before=x");
    let text = "this attribute is missing, or cannot be read";
    server.hears(
        "ann",
        &[
            ":s FAIL SEARCH INVALID_PARAMS in :there is no room #none",
            &format!(":s FAIL SEARCH INVALID_PARAMS text :{text}"),
            &format!(":s FAIL SEARCH INVALID_PARAMS before :{text}"),
        ],
    );
}
