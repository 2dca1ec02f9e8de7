//! Tests of reading and printing changes of modes.
//!
//! They must never need a channel: letters and arguments are enough.

use super::super::message::Message;
use super::super::write::{Line, text_room};
use super::*;
use proptest::prelude::*;

const TABLE: ModeTable = ModeTable {
    lists: "beI",
    settings: "k",
    settings_on_add: "l",
    flags: "imnst",
    members: &[('q', '~'), ('o', '@'), ('v', '+')],
    arguments_max: 4,
};

/// What a line of `MODE` asks for, written down: changes with their sign, lists, errors.
fn asked(line: &str) -> Vec<String> {
    let params: Vec<&str> = line.split(' ').collect();
    let show = |asked| match asked {
        Ok(Asked::Change(change)) => {
            let sign = if change.add { '+' } else { '-' };
            match change.argument {
                Some(argument) => format!("{sign}{} {argument}", change.letter),
                None => format!("{sign}{}", change.letter),
            }
        }
        Ok(Asked::List(letter)) => format!("list {letter}"),
        Err(error) => format!("{error:?}"),
    };
    TABLE.parse(&params).map(show).collect()
}

#[test]
fn each_letter_takes_its_argument() {
    assert_eq!(
        asked("+o-v+b ada bob *!*@h"),
        ["+o ada", "-v bob", "+b *!*@h"]
    );
    assert_eq!(asked("+im-nt"), ["+i", "+m", "-n", "-t"]);
    assert_eq!(asked("+kl secret 5"), ["+k secret", "+l 5"]);
    assert_eq!(asked("-kl secret"), ["-k secret", "-l"]);
    assert_eq!(asked("-k"), ["-k *"]);
    assert_eq!(asked("i"), ["+i"]);
    assert_eq!(asked("+-+i"), ["+i"]);
}

#[test]
fn letters_may_stand_in_several_places() {
    assert_eq!(asked("+o ada -v bob"), ["+o ada", "-v bob"]);
    assert_eq!(asked("+i -m"), ["+i", "-m"]);
    // What a letter waits for is its argument, whatever it looks like.
    assert_eq!(asked("+k -m"), ["+k -m"]);
    assert_eq!(asked("+i surplus -m"), ["+i", "-m"]);
}

#[test]
fn a_list_without_an_argument_is_asked_for() {
    assert_eq!(asked("b"), ["list b"]);
    assert_eq!(asked("+beI"), ["list b", "list e", "list I"]);
    assert_eq!(asked("bbb"), ["list b"]);
    assert_eq!(asked("-b"), ["MissingArgument('b')"]);
    assert_eq!(asked("+bb x"), ["+b x", "list b"]);
}

#[test]
fn what_is_wrong_is_told_once() {
    assert_eq!(asked("+xixéö"), ["Unknown('x')", "+i", "Unknown('é')"]);
    assert_eq!(
        asked("+ovo-o"),
        ["MissingArgument('o')", "MissingArgument('v')"]
    );
    assert_eq!(asked(""), [""; 0]);
    assert!(TABLE.parse(&[]).next().is_none());
    assert_eq!(asked("+k "), ["MissingArgument('k')"]);
}

#[test]
fn changes_are_bounded() {
    assert_eq!(
        asked("+oooooo 1 2 3 4 5 6 +i"),
        ["+o 1", "+o 2", "+o 3", "+o 4", "TooMany"]
    );
    let flags = asked(&"+i-i".repeat(100));
    assert_eq!(flags.len(), FLAGS_MAX + 1);
    assert_eq!(flags.last().map(String::as_str), Some("TooMany"));
}

#[test]
fn what_isupport_says_is_what_is_parsed() {
    assert_eq!(TABLE.chanmodes(), "beI,k,l,imnst");
    assert_eq!(TABLE.prefix(), "(qov)~@+");
    assert_eq!(TABLE.kind('q'), Some(Kind::Member));
    assert_eq!(TABLE.kind('l'), Some(Kind::SettingOnAdd));
    assert_eq!(TABLE.kind('+'), None);
}

#[test]
fn an_error_shows_no_control_character() {
    let shown = ModeError::Unknown('\u{202e}').to_string();
    assert_eq!(shown, r"there is no mode \u{202e}");
}

/// The parameters of the lines that `changes` are printed in.
fn printed(changes: &[Change<'_>]) -> Vec<Vec<String>> {
    let room = text_room("s", "MODE", &["#c"]);
    let line = |changes: &[Change<'_>]| {
        let mut out = Vec::new();
        let line = Line::new(&mut out).from("s", "MODE").param("#c");
        assert_eq!(write(line, changes).end(), 0, "it did not fit");
        let message = Message::from_server(out.strip_suffix(b"\r\n").unwrap()).unwrap();
        message.params[1..]
            .iter()
            .map(|param| (*param).to_owned())
            .collect()
    };
    lines(changes, TABLE.arguments_max, room)
        .map(line)
        .collect()
}

#[test]
fn changes_take_as_many_lines_as_they_need() {
    let op = |argument| Change {
        add: true,
        letter: 'o',
        argument: Some(argument),
    };
    assert_eq!(printed(&[]), [[""; 0]; 0]);
    assert_eq!(
        printed(&[op("1"), op("2"), op("3"), op("4"), op("5")]),
        [vec!["+oooo", "1", "2", "3", "4"], vec!["+o", "5"]]
    );
    let long = "x".repeat(200);
    let lengths: Vec<usize> = printed(&[op(&long); 5]).iter().map(Vec::len).collect();
    assert_eq!(lengths, [3, 3, 2]);
    // One that can never fit stands alone, for the writer to cut.
    let endless = "x".repeat(600);
    let runs: Vec<usize> = lines(&[op("1"), op(&endless), op("2")], 4, 400)
        .map(<[_]>::len)
        .collect();
    assert_eq!(runs, [1, 1, 1]);
}

proptest! {
    #[test]
    fn any_parameters_are_read(params: Vec<String>, letters in "[-+a-zé]{0,60}") {
        let mut params: Vec<&str> = params.iter().map(String::as_str).collect();
        params.insert(0, &letters);
        let count = TABLE.parse(&params).count();
        prop_assert!(count <= TABLE.arguments_max + FLAGS_MAX + 3 * 128);
    }

    #[test]
    fn what_is_printed_reads_the_same(
        drawn in prop::collection::vec((any::<bool>(), 0_usize..11, "[a-z]{1,90}"), 0..14),
    ) {
        let letters: Vec<char> = "beIklimnstov".chars().collect();
        let mut changes = Vec::new();
        for (add, index, argument) in &drawn {
            let letter = letters[*index];
            let has_argument = match TABLE.kind(letter) {
                Some(Kind::Flag) => false,
                Some(Kind::SettingOnAdd) => *add,
                _ => true,
            };
            let argument = has_argument.then_some(argument.as_str());
            changes.push(Change { add: *add, letter, argument });
        }
        let lines = printed(&changes);
        let read: Vec<Asked<'_>> = lines
            .iter()
            .flat_map(|line| {
                let params: Vec<&str> = line.iter().map(String::as_str).collect();
                TABLE.parse(&params).collect::<Vec<_>>()
            })
            .collect::<Result<_, _>>()
            .unwrap();
        let changes: Vec<Asked<'_>> = changes.into_iter().map(Asked::Change).collect();
        prop_assert_eq!(read, changes);
    }
}
