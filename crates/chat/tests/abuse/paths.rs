//! Paths that lead out of the pages that there are.

use crate::peer::Peer;
use crate::town::Town;

/// Each way up: dots, encoded once and twice, in other letters, over backslashes and drives, and
/// with what ends a name elsewhere.
const WAYS_OUT: &[&str] = &[
    "/../../../../etc/passwd",
    "/style.css/../../etc/passwd",
    "/./etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/%2E%2E%2F%2E%2E%2Fetc%2Fpasswd",
    "/..%2f..%2fetc/passwd",
    "/%252e%252e/%252e%252e/etc/passwd",
    "/%25%32%65%25%32%65/etc/passwd",
    "/%c0%ae%c0%ae/etc/passwd",
    "/%e0%80%ae%e0%80%ae/etc/passwd",
    "/..\\..\\etc\\passwd",
    "/..%5c..%5cetc%5cpasswd",
    "/%uff0e%uff0e/etc/passwd",
    "/%00/../etc/passwd",
    "/style.css%00.html",
    "/....//....//etc/passwd",
    "/..;/etc/passwd",
    "//etc/passwd",
    "/etc/passwd",
    "/C:/Windows/win.ini",
    "/file:///etc/passwd",
    "file:///etc/passwd",
    "http://localhost/../etc/passwd",
    "/%0d%0aSet-Cookie:%20a=b",
    "/?/../../etc/passwd%",
    "/switchboard.db",
    "/self-signed.key",
    "/ws/../self-signed.key",
    "/.git/config",
];

#[test]
fn no_path_leads_out_of_the_pages() {
    let town = Town::start(&[]);
    for method in ["GET", "HEAD"] {
        for path in WAYS_OUT {
            let mut peer = Peer::connect(&town.address);
            peer.say(format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
            ));
            peer.finish();
            let answer = peer.hear_all_text();
            // What is no target at all is not HTTP: it is a line of chat, and receipted as such.
            if path.starts_with("file:") {
                assert!(answer.starts_with("Message received\n"), "{path}: {answer}");
                continue;
            }
            let refused = ["400 ", "404 "].map(|status| format!("HTTP/1.1 {status}"));
            let refused = refused.iter().any(|begin| answer.starts_with(begin));
            assert!(refused, "{path}: {answer}");
            assert!(!answer.contains("root:"), "{path}: {answer}");
            assert!(!answer.contains("Set-Cookie"), "{path}: {answer}");
        }
    }
    town.end();
}
