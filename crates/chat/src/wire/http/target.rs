//! The path that a request's target names, decoded once.
//!
//! It must never let a path through that could mean another one to somebody else. The pages are in
//! the program and no path reaches a file system; who tries all the same is refused, not looked up.

use percent_encoding::percent_decode_str;

use super::response::Refusal;

/// The path of `target`, without its query. `*` is what `OPTIONS` may ask about: the server itself.
pub fn path(method: &str, target: &str) -> Result<String, Refusal> {
    if method == "OPTIONS" && target == "*" {
        return Ok("/".to_owned());
    }
    // Absolute targets are for proxies, and authorities for tunnels; this is neither.
    if !target.starts_with('/') || target.contains('#') || !escapes_are_whole(target) {
        return Err(Refusal::MALFORMED);
    }
    let (path, _query) = target.split_once('?').unwrap_or((target, ""));
    let decoded = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| Refusal::MALFORMED)?;
    let is_odd = |c: char| c.is_control() || matches!(c, '\\' | '%');
    let climbs = |segment: &str| matches!(segment, "." | "..");
    // A percent sign that is left was escaped twice, so that somebody else may decode it.
    if decoded.contains(is_odd) || decoded.split('/').any(climbs) {
        return Err(Refusal::MALFORMED);
    }
    Ok(decoded.into_owned())
}

/// Whether each percent sign has its two digits (RFC 3986 section 2.1).
fn escapes_are_whole(target: &str) -> bool {
    target.split('%').skip(1).all(|behind| {
        let digits = behind.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_decoded_and_queries_left_out() {
        for (target, decoded) in [
            ("/", "/"),
            ("/?a=b", "/"),
            ("/healthz?/../..", "/healthz"),
            ("/h%65althz", "/healthz"),
            ("/caf%C3%A9", "/caf\u{e9}"),
            ("//ws", "//ws"),
            ("/...", "/..."),
        ] {
            assert_eq!(path("GET", target).as_deref(), Ok(decoded), "{target}");
        }
        assert_eq!(path("OPTIONS", "*").as_deref(), Ok("/"));
    }

    #[test]
    fn every_way_up_is_refused() {
        for target in [
            "/..",
            "/../etc/passwd",
            "/a/../b",
            "/./a",
            "/%2e%2e/etc/passwd",
            "/.%2E/etc/passwd",
            "/%2e",
            "/a%2f..%2fb",
            "/..%5c..%5cb",
            "/..\\b",
            "/%252e%252e/b",
            "/%c0%ae%c0%ae/b",
            "/%ff",
            "/a%00.html",
            "/a%0d%0aSet-Cookie:b",
            "/a%",
            "/a%2",
            "/a?b=%zz",
            "/a#b",
            "a",
            "*",
            "http://chat.example/",
            "chat.example:443",
        ] {
            assert_eq!(path("GET", target), Err(Refusal::MALFORMED), "{target}");
        }
    }

    proptest! {
        #[test]
        fn no_target_climbs(target in "/([./%2eE5cCfF\\\\a?]|%2e|%2f|%25){0,16}") {
            if let Ok(path) = path("GET", &target) {
                prop_assert!(path.split(['/', '\\']).all(|part| part != ".."), "{}", path);
                prop_assert!(!path.contains('%'));
            }
        }
    }
}
