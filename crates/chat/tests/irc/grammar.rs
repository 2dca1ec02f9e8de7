//! Messages of IRC, read and written: what one side writes, the other side reads, whatever it holds.

use proptest::prelude::*;
use switchboard_chat::irc::message::Message;
use switchboard_chat::irc::write::{Line, SOURCE_BYTES_MAX, message, text_room};

proptest! {
    #[test]
    fn whatever_goes_in_one_message_comes_out(
        tags in prop::collection::vec((".{0,9}", "(?s).{0,30}"), 0..4),
        source in "(?s).{0,300}",
        command in "(?s).{0,9}",
        params in prop::collection::vec("(?s)[ :\r\n\0a]{0,4}|.{0,60}", 0..14),
        text in prop::option::of("(?s).{0,400}"),
    ) {
        let mut out = Vec::new();
        let mut line = Line::new(&mut out);
        for (key, value) in &tags {
            line = line.tag(key, value);
        }
        let body = line.from(&source, &command).params(params.iter().map(String::as_str));
        let cut_off = match &text {
            Some(text) => body.text(text),
            None => body.end(),
        };
        let line = out.strip_suffix(b"\r\n").unwrap();
        prop_assert!(!line.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')));
        let message = Message::from_server(line).unwrap();
        prop_assert_eq!(message.source.is_some(), !source.is_empty());
        if cut_off == 0 {
            prop_assert_eq!(message.params.len(), params.len() + usize::from(text.is_some()));
        }
    }

    #[test]
    fn what_was_read_is_written_and_reads_the_same(line in "[@:]?[ -~é;:= @\\\\]{0,500}") {
        if let Ok(read) = Message::from_client(line.as_bytes()) {
            let mut out = Vec::new();
            let cut_off = message(&mut out, &read);
            let again = Message::from_client(out.strip_suffix(b"\r\n").unwrap()).unwrap();
            // A colon that was not needed before makes the line longer than it came by one.
            if cut_off == 0 && read.source.is_none_or(|s| s.len() <= SOURCE_BYTES_MAX) {
                prop_assert_eq!(again.source, read.source);
                prop_assert_eq!(again.command, read.command);
                prop_assert_eq!(again.params, read.params);
                prop_assert!(again.tags.iter().eq(read.tags.iter()));
            }
        }
    }

    #[test]
    fn the_room_is_exact(nick in "[a-z]{0,40}", target in "#[a-zé]{1,60}") {
        let room = text_room(&nick, "PRIVMSG", &[&target]);
        let mut out = Vec::new();
        let fits = Line::new(&mut out).from(&nick, "PRIVMSG").param(&target);
        prop_assert_eq!(fits.text(&"x".repeat(room)), 0);
        prop_assert_eq!(out.len(), 512);
    }
}
