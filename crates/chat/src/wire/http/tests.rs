//! Requests as clients send them, and as those do who mean no good.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

mod opening;

/// A Sunday in 1994, on which RFC 9110 has its examples.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
}

fn site() -> Site {
    Site::default()
}

/// The answer to `request` and its body, each as text.
fn ask(site: &Site, request: &str) -> (u16, String, String) {
    match site.take(request.as_bytes(), now()) {
        Step::Answer(answer) => {
            let text = String::from_utf8(answer.bytes).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(
                head.starts_with(&format!("HTTP/1.1 {} ", answer.status)),
                "{head}"
            );
            (answer.status, head.to_owned(), body.to_owned())
        }
        step => panic!("{request:?} leads to {step:?}"),
    }
}

fn status(request: &str) -> u16 {
    ask(&site(), request).0
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost:8080\r\n\r\n")
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: localhost:8080\r\nUpgrade: websocket\r\n\
                       Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Version: 13\r\n";

#[test]
fn a_page_comes_with_its_length_and_its_limits() {
    let (status, head, body) = ask(&site(), &get("/"));
    assert_eq!(status, 200);
    assert_eq!(
        field(&head, "Content-Length"),
        Some(body.len().to_string().as_str())
    );
    assert_eq!(
        field(&head, "Content-Type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(field(&head, "Connection"), Some("close"));
    assert_eq!(field(&head, "Date"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(field(&head, "X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(field(&head, "X-Frame-Options"), Some("DENY"));
    assert_eq!(field(&head, "Referrer-Policy"), Some("no-referrer"));
    let policy = field(&head, "Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
    assert!(policy.contains("frame-ancestors 'none'"));
    // A browser without scripts is told what else there is.
    for how in ["<noscript>", "nc", "IRC"] {
        assert!(body.contains(how), "the page does not say {how}");
    }
}

/// The values of an attribute in a page.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let starts = page.split(attribute).skip(1);
    starts.filter_map(|rest| rest.split('"').next()).collect()
}

/// The page loads only what there is, and nothing that the policy forbids.
#[test]
fn what_the_page_refers_to_is_served() {
    let (_, _, body) = ask(&site(), &get("/"));
    let links = [values(&body, " href=\""), values(&body, " src=\"")].concat();
    assert!(links.len() > 30, "{links:?}");
    for link in links {
        let (status, head, _) = ask(&site(), &get(link));
        let kind = field(&head, "Content-Type").unwrap_or_default();
        let expected = match link.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "application/manifest+json",
        };
        assert_eq!((status, kind), (200, expected), "{link}");
    }
    assert_eq!(body.matches("<script").count(), 1);
    for forbidden in ["<style", " style=", " onclick", " onload", " onerror"] {
        assert!(!body.contains(forbidden), "{forbidden}");
    }
}

/// Each file of the page is served, so that none is forgotten in the table; each script is loaded
/// ahead, so that a browser need not find one by the other.
#[test]
fn every_file_of_the_page_is_served() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let (_, _, page) = ask(&site(), &get("/"));
    let preloaded = values(&page, "\"modulepreload\" href=\"");
    let mut folders = vec![root.clone()];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = format!("/{}", path.strip_prefix(&root).unwrap().display());
            if name != "/index.html" {
                assert_eq!(status(&get(&name)), 200, "{name}");
            }
            let is_script = name.ends_with(".js") && name != "/ui/app.js";
            assert_eq!(is_script, preloaded.contains(&name.as_str()), "{name}");
            count += 1;
        }
    }
    assert_eq!(count, site().pages.len());
}

#[test]
fn head_is_get_without_the_body() {
    for path in ["/", "/nowhere"] {
        let (status, head, body) = ask(&site(), &get(path));
        let asked = get(path).replace("GET", "HEAD");
        assert_eq!(ask(&site(), &asked), (status, head, String::new()));
        assert!(!body.is_empty());
    }
    assert_eq!(
        site().take(get("/healthz").replace("GET", "HEAD").as_bytes(), now()),
        Step::Health(Asked { head_only: true })
    );
}

#[test]
fn a_page_that_the_browser_has_is_not_sent_again() {
    let (_, head, _) = ask(&site(), &get("/"));
    let tag = field(&head, "ETag").unwrap();
    let with = |tags: &str| {
        let request = get("/").replace("\r\n\r\n", &format!("\r\nIf-None-Match: {tags}\r\n\r\n"));
        ask(&site(), &request)
    };
    for known in [tag.to_owned(), format!("\"a\", W/{tag}"), "*".to_owned()] {
        let (status, head, body) = with(&known);
        assert_eq!((status, body.as_str()), (304, ""), "{known}");
        assert_eq!(field(&head, "ETag"), Some(tag));
    }
    assert_eq!(with("\"a\", W/\"b\"").0, 200);
    let (_, style, _) = ask(&site(), &get("/style.css"));
    assert_ne!(field(&style, "ETag"), Some(tag));
}

#[test]
fn health_and_metrics_are_the_programs_to_answer() {
    let asked = Asked { head_only: false };
    assert_eq!(
        site().take(get("/healthz").as_bytes(), now()),
        Step::Health(asked)
    );
    assert_eq!(status(&get("/metrics")), 404);
    let site = site().with_metrics(true);
    assert_eq!(
        site.take(get("/metrics").as_bytes(), now()),
        Step::Metrics(asked)
    );
    let answer = asked.answer(503, "no\n", now());
    let text = String::from_utf8(answer.bytes).unwrap();
    assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    assert!(text.ends_with("Content-Length: 3\r\n\r\nno\n"));
    assert!(text.contains("Cache-Control: no-store\r\n"));
    assert_eq!(answer.status, 503);
}

#[test]
fn other_paths_and_methods_are_refused() {
    assert_eq!(status(&get("/nowhere")), 404);
    assert_eq!(status(&get("/index.html")), 404);
    for (path, allowed) in [
        ("/", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
        ("/ws", "GET"),
    ] {
        let (status, head, _) = ask(&site(), &get(path).replace("GET", "DELETE"));
        assert_eq!(
            (status, field(&head, "Allow")),
            (405, Some(allowed)),
            "{path}"
        );
    }
    assert_eq!(status("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
    assert_eq!(status("get / HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
    assert_eq!(
        status(
            &UPGRADE
                .replace("GET", "HEAD")
                .replace("13\r\n", "13\r\n\r\n")
        ),
        405
    );
    assert_eq!(status("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
    assert_eq!(status("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), 505);
}

#[test]
fn one_connection_is_one_request() {
    let (first, second) = (get("/healthz"), get("/"));
    let pipelined = format!("{first}{second}");
    assert_eq!(
        site().take(pipelined.as_bytes(), now()),
        site().take(first.as_bytes(), now())
    );
    let kept = get("/").replace("\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(field(&ask(&site(), &kept).1, "Connection"), Some("close"));
}

#[test]
fn an_older_client_needs_no_host() {
    assert_eq!(status("GET / HTTP/1.0\r\n\r\n"), 200);
    assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), 400);
}

/// Each of these is one request to some readers and another one to others.
#[test]
fn nothing_is_smuggled_in() {
    let with = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    for (fields, expected) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: identity\r\n", 400),
        ("transfer-encoding:\tchunked\r\n", 400),
        ("Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n", 400),
        ("Transfer-Encoding : chunked\r\n", 400),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", 400),
        ("Content-Length: 0\r\nContent-Length: 5\r\n", 400),
        ("Content-Length: 0, 5\r\n", 400),
        ("Content-Length: +0\r\n", 400),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: 0x0\r\n", 400),
        ("Content-Length:\r\n", 400),
        ("Content-Length: 5\r\n", 413),
        ("Content-Length: 99999999999999999999999999\r\n", 413),
        ("Content-Length : 5\r\n", 400),
        (" Content-Length: 5\r\n", 400),
        ("X: a\r\n Content-Length: 5\r\n", 400),
        ("X: a\r\n\tfolded\r\n", 400),
        ("X: a\nContent-Length: 5\r\n", 400),
        ("X: a\rContent-Length: 5\r\n", 400),
        ("X: a\0\r\n", 400),
        ("X\0: a\r\n", 400),
        ("X: \u{7f}\r\n", 400),
        ("X\r\n", 400),
        (": a\r\n", 400),
        ("Host: a\r\n", 400),
        ("Host: b\r\n", 400),
    ] {
        assert_eq!(status(&with(fields)), expected, "{fields:?}");
    }
    assert_eq!(
        status(&with("Content-Length: 0\r\n")),
        405,
        "no body is no harm"
    );
    for head in [
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\tHTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(status(head), 400, "{head:?}");
    }
    for line in [
        "GET /  HTTP/1.1",
        "GET / a HTTP/1.1",
        "GET / HTTP/1.10",
        "GET / http/1.1",
    ] {
        let request = format!("{line}\r\nHost: a\r\n\r\n");
        assert!(matches!(status(&request), 400 | 505), "{line}");
    }
}

#[test]
fn no_path_leads_out() {
    for path in [
        "/../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/%252e%252e/etc/passwd",
        "/style.css/..",
        "/..%5c..%5cwindows",
        "/%c0%ae%c0%ae/etc/passwd",
        "/style.css%00.html",
    ] {
        assert_eq!(status(&get(path)), 400, "{path}");
    }
}

#[test]
fn a_head_has_a_bound() {
    let longest = |filler: usize| {
        let head = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        format!("{head}{}\r\n\r\n", "a".repeat(filler - head.len() - 4))
    };
    assert_eq!(status(&longest(HEAD_BYTES_MAX)), 200);
    assert_eq!(status(&longest(HEAD_BYTES_MAX + 1)), 431);
    let unfinished = &longest(HEAD_BYTES_MAX + 100)[..HEAD_BYTES_MAX];
    assert_eq!(status(unfinished), 431);
    assert_eq!(
        site().take(&unfinished.as_bytes()[..HEAD_BYTES_MAX - 1], now()),
        Step::NeedMore
    );
    assert_eq!(status(&format!("GET /{}", "a".repeat(HEAD_BYTES_MAX))), 414);
    let fields = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: a\r\n".repeat(count - 1)
        )
    };
    assert_eq!(status(&fields(FIELDS_MAX)), 200);
    assert_eq!(status(&fields(FIELDS_MAX + 1)), 431);
}

#[test]
fn a_server_that_has_names_answers_to_no_other() {
    let site = site().with_hosts(["localhost".to_owned(), "[::1]".to_owned()]);
    let of = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    for name in ["localhost:8080", "LOCALHOST", "[::1]:8080"] {
        assert_eq!(ask(&site, &of(name)).0, 200, "{name}");
    }
    assert_eq!(ask(&site, &of("evil.example:8080")).0, 421);
    let rebound = format!("{UPGRADE}Origin: http://evil.example:8080\r\n\r\n")
        .replace("Host: localhost", "Host: evil.example");
    assert_eq!(ask(&site, &rebound).0, 421);
    let own = site.with_name("chat.example");
    assert_eq!(ask(&own, &of("chat.example")).0, 200);
}

#[test]
fn a_clock_that_is_wrong_is_no_reason_to_fail() {
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let after = SystemTime::UNIX_EPOCH + Duration::from_secs(400_000_000_000);
    for (when, year) in [(before, "1970"), (after, "9999")] {
        let Step::Answer(answer) = site().take(get("/").as_bytes(), when) else {
            panic!("a page is answered at once");
        };
        let text = String::from_utf8(answer.bytes).unwrap();
        assert!(field(&text, "Date").unwrap().contains(year));
    }
}

/// Heads that get far into a request, or off it again.
fn near_requests() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "GET / HTTP/1.1\r\n",
        "GET /ws HTTP/1.1\r\n",
        "HEAD",
        " ",
        "/%2e",
        "HTTP/1.0",
        "\r\n",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        "Host: a\r\n",
        "Host:",
        "Origin: http://a\r\n",
        "Upgrade: websocket\r\n",
        "Connection: upgrade\r\n",
        "Sec-WebSocket-Version: 13\r\n",
        "Content-Length: ",
        "0",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "\0",
        ":",
        "X: a\r\n",
    ];
    let piece = prop_oneof![
        8 => proptest::sample::select(pieces.map(|piece| piece.as_bytes().to_vec()).to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 1..3),
    ];
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// A handler takes the first step that is not "need more": it is the same for every cutting if
    /// and only if more bytes never change a step.
    #[test]
    fn more_bytes_never_change_a_step(bytes in near_requests()) {
        let site = site();
        let mut earlier = Step::NeedMore;
        for len in 0..=bytes.len() {
            let step = site.take(&bytes[..len], now());
            if earlier != Step::NeedMore {
                prop_assert_eq!(&step, &earlier, "{}", bytes[..len].escape_ascii());
            }
            earlier = step;
        }
    }

    /// What a client sends never shows up in what is answered.
    #[test]
    fn nothing_of_a_request_is_in_its_answer(name in "[a-z]{8,20}", place in 0..4_usize) {
        let mark = format!("zq{name}");
        let request = match place {
            0 => get(&format!("/{mark}")),
            1 => get(&format!("/?{mark}")),
            2 => format!("GET / HTTP/1.1\r\nHost: {mark}\r\n\r\n"),
            _ => format!("{UPGRADE}Sec-WebSocket-Protocol: {mark}\r\n\r\n"),
        };
        let bytes = match site().take(request.as_bytes(), now()) {
            Step::Answer(answer) => answer.bytes,
            Step::WebSocket(opening) => opening.answer,
            step => panic!("{step:?}"),
        };
        prop_assert!(!String::from_utf8(bytes).unwrap().contains(&mark));
    }
}
