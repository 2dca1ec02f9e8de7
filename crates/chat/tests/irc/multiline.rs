//! Messages of several lines: from clients that can, to clients that can and that cannot.

use crate::server::Server;

const CAPS: &str =
    "message-tags batch labeled-response draft/multiline echo-message standard-replies";

#[test]
fn a_batch_is_one_message() {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", CAPS), ("bob", ""), ("eve", "message-tags")]);
    server.say("ann", "@label=7;+x=y BATCH +1 draft/multiline #a");
    server.say("ann", "@batch=1 PRIVMSG #a :one");
    server.say("ann", "@batch=1 PRIVMSG #a :");
    server.say("ann", "@batch=1 PRIVMSG #a :two");
    server.say(
        "ann",
        "@batch=1;draft/multiline-concat PRIVMSG #a : and a half",
    );
    server.say("ann", "BATCH -1");
    server.hears("ann", &[]);
    server.store();
    let name = "00000000-1";
    server.hears(
        "ann",
        &[
            &format!("@label=7;msgid={name};+x=y :ann!ann@host BATCH +{name} draft/multiline #a"),
            &format!("@batch={name} :ann!ann@host PRIVMSG #a :one"),
            &format!("@batch={name} :ann!ann@host PRIVMSG #a :"),
            &format!("@batch={name} :ann!ann@host PRIVMSG #a :two and a half"),
            &format!(":s BATCH -{name}"),
        ],
    );
    server.hears(
        "bob",
        &[
            ":ann!ann@host PRIVMSG #a :one",
            ":ann!ann@host PRIVMSG #a :two and a half",
        ],
    );
    server.hears(
        "eve",
        &[
            &format!("@msgid={name};+x=y :ann!ann@host PRIVMSG #a :one"),
            ":ann!ann@host PRIVMSG #a :two and a half",
        ],
    );
}

#[test]
fn a_batch_has_bounds_and_is_refused_once() {
    let mut server = Server::new();
    server.config.multiline_lines_max = 2;
    server.enter_room("#a", &[("ann", CAPS), ("bob", "")]);
    server.say("ann", "@label=7 BATCH +1 draft/multiline #a");
    for _ in 0..5 {
        server.say("ann", "@batch=1 PRIVMSG #a :line");
    }
    server.say("ann", "BATCH -1");
    let text = "FAIL BATCH MULTILINE_MAX_LINES 2 :too many lines";
    server.hears("ann", &[&format!("@label=7 :s {text}")]);

    server.config.multiline_lines_max = 100;
    server.say("ann", "BATCH +2 draft/multiline #a");
    let line = format!("@batch=2 PRIVMSG #a :{}", "x".repeat(450));
    for _ in 0..30 {
        server.say("ann", &line);
    }
    server.say("ann", "BATCH -2");
    server.hears(
        "ann",
        &[":s FAIL BATCH MULTILINE_MAX_BYTES 8192 :too much text"],
    );

    server.say("ann", "BATCH +3 draft/multiline #a");
    server.say("ann", "@batch=3 PRIVMSG bob :hi");
    server.say("ann", "BATCH -3");
    let text = "FAIL BATCH MULTILINE_INVALID_TARGET #a bob :a line goes elsewhere";
    server.hears("ann", &[&format!(":s {text}")]);
    server.store();
    server.hears("bob", &[]);
}

#[test]
fn what_is_no_batch_is_said() {
    let mut server = Server::new();
    server.enter_room("#a", &[("ann", CAPS)]);
    server.say("ann", "BATCH +1 netsplit #a");
    server.say("ann", "@batch=9 PRIVMSG #a :x");
    server.say("ann", "BATCH -9");
    let text = "the only batch from a client is draft/multiline";
    server.hears(
        "ann",
        &[
            &format!(":s FAIL BATCH INVALID_BATCH 1 :{text}"),
            ":s FAIL BATCH INVALID_BATCH 9 :there is no such batch",
            ":s FAIL BATCH INVALID_BATCH -9 :there is no such batch",
        ],
    );
}

#[test]
fn a_text_that_is_longer_than_a_line_is_not_cut() {
    let mut server = Server::new();
    server.enter_room(
        "#a",
        &[("ann", CAPS), ("bob", "batch draft/multiline"), ("eve", "")],
    );
    let text = "x".repeat(490);
    server.say("ann", &format!("PRIVMSG #a :{text}"));
    server.store();
    server.heard("ann");
    let whole = |lines: Vec<String>| -> String {
        let lines = lines.iter().filter(|line| line.contains(" PRIVMSG "));
        lines
            .map(|line| line.rsplit_once(" :").unwrap().1)
            .collect()
    };
    assert_eq!(whole(server.heard("bob")), text);
    assert_eq!(whole(server.heard("eve")), text);
}
