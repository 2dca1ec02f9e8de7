//! The answer to a label: one logical message, whatever a command has led to. It must never change
//! what the lines say.
//!
//! The source is <https://ircv3.net/specs/extensions/labeled-response>.

use crate::irc::message::Message;
use crate::irc::tags::escape_into;
use crate::irc::write::Line;

/// The longest label, in bytes; a longer one is not answered.
pub const LABEL_BYTES_MAX: usize = 64;

/// A batch is closed before the next one begins, so one name is enough.
const BATCH: &str = "labeled";

/// Makes the lines from `start` on the answer to `label`: a bare acknowledgement if there are none,
/// a batch if there are several that are not one already.
pub fn put(out: &mut Vec<u8>, start: usize, label: &str, server: &str) {
    if out.len() == start {
        let line = Line::new(out).tag("label", label);
        line.from(server, "ACK").end();
        return;
    }
    let answer = out.split_off(start);
    let lines = || answer.split_inclusive(|byte| *byte == b'\n');
    if lines().nth(1).is_none() || is_one_batch(&answer) {
        let mut lines = lines();
        tagged(out, "label", label, lines.next().unwrap_or_default());
        lines.for_each(|line| out.extend_from_slice(line));
        return;
    }
    let line = Line::new(out).tag("label", label).from(server, "BATCH");
    line.param(&format!("+{BATCH}"))
        .param("labeled-response")
        .end();
    let inner = out.len();
    out.extend_from_slice(&answer);
    put_into(out, inner, BATCH);
    let line = Line::new(out).from(server, "BATCH");
    line.param(&format!("-{BATCH}")).end();
}

/// Puts the lines from `start` on into `batch`, unless they are in one.
pub(super) fn put_into(out: &mut Vec<u8>, start: usize, batch: &str) {
    let lines = out.split_off(start);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        match has_batch(line) {
            true => out.extend_from_slice(line),
            false => tagged(out, "batch", batch, line),
        }
    }
}

/// A line with one more tag in front.
fn tagged(out: &mut Vec<u8>, key: &str, value: &str, line: &[u8]) {
    out.push(b'@');
    out.extend_from_slice(key.as_bytes());
    out.push(b'=');
    escape_into(out, value);
    match line.strip_prefix(b"@") {
        Some(rest) => {
            out.push(b';');
            out.extend_from_slice(rest);
        }
        None => {
            out.push(b' ');
            out.extend_from_slice(line);
        }
    }
}

fn read(line: &[u8]) -> Option<Message<'_>> {
    let line = line.strip_suffix(b"\r\n").unwrap_or(line);
    Message::from_server(line).ok()
}

fn has_batch(line: &[u8]) -> bool {
    line.starts_with(b"@") && read(line).is_some_and(|line| line.tags.get("batch").is_some())
}

/// Whether the first line opens a batch that the last one closes.
fn is_one_batch(lines: &[u8]) -> bool {
    let name = |line: &[u8], sign: char| {
        let line = read(line).filter(|line| line.is("BATCH"))?;
        Some(line.params.get(0)?.strip_prefix(sign)?.to_owned())
    };
    let mut lines = lines.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().and_then(|line| name(line, '+'));
    let last = lines.next_back().and_then(|line| name(line, '-'));
    first.is_some() && first == last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &str, expected: &str) {
        let mut out = b"before\r\n".to_vec();
        out.extend_from_slice(lines.as_bytes());
        put(&mut out, 8, "a;b", "s");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!("before\r\n{expected}")
        );
    }

    #[test]
    fn an_answer_is_one_logical_message() {
        check("", "@label=a\\:b :s ACK\r\n");
        check(":s PONG\r\n", "@label=a\\:b :s PONG\r\n");
        check("@x=1 :s PONG\r\n", "@label=a\\:b;x=1 :s PONG\r\n");
        check(
            ":s 1\r\n@x=1 :s 2\r\n",
            "@label=a\\:b :s BATCH +labeled labeled-response\r\n@batch=labeled :s 1\r\n\
             @batch=labeled;x=1 :s 2\r\n:s BATCH -labeled\r\n",
        );
    }

    #[test]
    fn a_batch_is_not_put_into_another_one() {
        let batch = ":s BATCH +q chathistory #a\r\n@batch=q :b PRIVMSG #a :hi\r\n:s BATCH -q\r\n";
        check(batch, &format!("@label=a\\:b {batch}"));
        check(
            &format!("{batch}:s 1\r\n"),
            "@label=a\\:b :s BATCH +labeled labeled-response\r\n\
             @batch=labeled :s BATCH +q chathistory #a\r\n@batch=q :b PRIVMSG #a :hi\r\n\
             @batch=labeled :s BATCH -q\r\n@batch=labeled :s 1\r\n:s BATCH -labeled\r\n",
        );
    }
}
