//! Unix sockets in recordings: their addresses, their peers, and that descriptors end one.

use std::io::pipe;

use switchboard::{Address, Recording, Replay, Stream};
use switchboard::{Builder, ConnectOptions, Context, Driver, Handler, Reactor, ReplayEnd, Result};

use crate::tape::{PROGRAM, Tape, VERSION};

/// What the two ends of a connection, both of one reactor, were told.
#[derive(Default)]
struct Notes(Vec<String>);

struct End {
    /// Whether a descriptor goes with the answer.
    sends_one: bool,
}

impl Handler<Notes> for End {
    fn handle_accepted(
        &mut self,
        notes: &mut Notes,
        cx: &mut Context<'_, Notes>,
        mut stream: Stream,
    ) -> Result {
        notes
            .0
            .push(format!("{} {}", stream.peer()?, stream.local()?));
        #[cfg(target_os = "linux")]
        notes.0.push(format!("{:?}", stream.peer_credentials()?));
        stream.enable_descriptors(1)?;
        let sends_one = self.sends_one;
        cx.register(stream, End { sends_one })?;
        cx.close();
        Ok(())
    }

    fn handle_connect(&mut self, _: &mut Notes, cx: &mut Context<'_, Notes>) -> Result {
        cx.send("question")
    }

    fn handle_read(&mut self, notes: &mut Notes, cx: &mut Context<'_, Notes>) -> Result {
        let data = String::from_utf8_lossy(cx.recv(64));
        notes
            .0
            .push(format!("{data} {}", cx.take_descriptors().len()));
        match (&*data, self.sends_one) {
            ("question", true) => cx.send_with_descriptors("answer", vec![pipe()?.0.into()])?,
            ("question", false) => cx.send("answer")?,
            _ => cx.close(),
        }
        Ok(())
    }
}

fn run(builder: Builder, path: &str, sends_one: bool) -> Result<Vec<String>> {
    let mut reactor = builder.build(Notes::default())?;
    let listener = reactor.bind(path)?;
    let local = listener.local()?.to_string();
    reactor.listen_on(listener, End { sends_one })?;
    reactor.with(|notes, cx| {
        notes.0.push(local);
        let options = ConnectOptions::default().with_descriptors(1);
        cx.connect_with(path, options, End { sends_one })
    })?;
    reactor.run()?;
    let notes = std::mem::take(&mut reactor.state_mut().0);
    Ok(notes)
}

fn record(tape: &Tape, sends_one: bool) -> (String, Vec<String>) {
    let path = format!("unix://{}.s", tape.path.display());
    let recording = Recording::new(&tape.path, PROGRAM, VERSION);
    let builder = Reactor::builder().driver(tape.driver).record(recording);
    let notes = run(builder, &path, sends_one).expect("it ends well");
    assert!(
        notes[0] == path && notes[1] == format!("unix: {path}"),
        "{notes:?}"
    );
    (path, notes)
}

fn a_conversation_over_a_unix_socket_is_replayed(tape: &Tape) {
    let (path, notes) = record(tape, false);
    let replay = Replay::open(&tape.path, PROGRAM, VERSION).expect("it is there");
    let replayed = run(Reactor::builder().replay(&replay), &path, false);
    assert_eq!(replayed.expect("nothing differs"), notes);
    assert_eq!(
        replay.outcome().expect("nothing differs"),
        ReplayEnd::Complete
    );
}

fn descriptors_end_a_recording(tape: &Tape) {
    let (path, notes) = record(tape, true);
    assert_eq!(
        notes.last().expect("both ends"),
        "answer 1",
        "the run goes on"
    );
    let replay = Replay::open(&tape.path, PROGRAM, VERSION).expect("it is there");
    let replayed = run(Reactor::builder().replay(&replay), &path, true);
    let replayed = replayed.expect("nothing differs");
    assert!(notes.starts_with(&replayed), "{replayed:?}");
    match replay.outcome().expect("nothing differs") {
        ReplayEnd::Unrecordable(what) => assert!(what.contains("descriptors"), "{what}"),
        other => panic!("{other:?}"),
    }
}

struct Echo;

impl Handler<Notes> for Echo {
    fn handle_datagram(
        &mut self,
        notes: &mut Notes,
        cx: &mut Context<'_, Notes>,
        bytes: &[u8],
        from: &Address,
    ) -> Result {
        let bytes = String::from_utf8_lossy(bytes);
        notes.0.push(format!("{bytes} from {from}"));
        if bytes != "answer" {
            cx.send_datagram("answer", from)?;
        }
        cx.close();
        Ok(())
    }
}

/// Two sockets of one reactor: the first asks the second.
fn ask(builder: Builder, path: &str) -> Result<Vec<String>> {
    let mut reactor = builder.build(Notes::default())?;
    let asker = reactor.bind_unix_datagram(format!("{path}.asker"))?;
    let server = reactor.bind_unix_datagram(path)?;
    let address = server.local()?;
    reactor.with(|_, cx| -> Result {
        cx.register_unix_datagram(server, Echo)?;
        let asker = cx.register_unix_datagram(asker, Echo)?;
        cx.send_datagram_to(asker, "question", &address)
    })?;
    reactor.run()?;
    let notes = std::mem::take(&mut reactor.state_mut().0);
    Ok(notes)
}

fn unix_datagrams_are_replayed(tape: &Tape) {
    let path = format!("unix://{}.d", tape.path.display());
    let recording = Recording::new(&tape.path, PROGRAM, VERSION);
    let builder = Reactor::builder().driver(tape.driver).record(recording);
    let notes = ask(builder, &path).expect("it ends well");
    let question = format!("question from {path}.asker");
    assert_eq!(notes, [question, format!("answer from {path}")]);
    let replay = Replay::open(&tape.path, PROGRAM, VERSION).expect("it is there");
    let replayed = ask(Reactor::builder().replay(&replay), &path);
    assert_eq!(replayed.expect("nothing differs"), notes);
    let outcome = replay.outcome().expect("nothing differs");
    assert_eq!(outcome, ReplayEnd::Complete);
}

on_each_driver! {
    unix_datagrams_are_replayed
    a_conversation_over_a_unix_socket_is_replayed
    descriptors_end_a_recording
}
