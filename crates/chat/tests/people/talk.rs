//! What else people do with irssi and WeeChat: rooms and their settings, private words, questions about
//! others, and many members.

use std::io::{Read, Write};
use std::net::TcpStream;

use switchboard_partners::{Installed, Partner, Process, Suite};

use crate::irssi::Irssi;
use crate::place::House;
use crate::weechat::WeeChat;

pub fn tests(suite: Suite) -> Suite {
    let both = [Partner::IRSSI, Partner::TMUX, Partner::WEECHAT];
    suite
        .needs(both, "a_room_and_its_settings", settings)
        .needs(both, "privately_and_about_others", privately)
        .needs(both, "a_room_of_three_hundred", many)
}

/// Both in the lobby.
fn meet(clients: [Installed; 3], house: &House) -> (Irssi, WeeChat) {
    let [irssi, tmux, weechat] = clients;
    let mut iris = Irssi::start(&irssi, &tmux, "iris");
    iris.comes(&house.port, None);
    let mut wee = WeeChat::start(&weechat, "wee");
    wee.comes(&house.port, None);
    iris.sees("wee [wee@127.0.0.1] has joined #lobby");
    (iris, wee)
}

fn settings(clients: [Installed; 3]) {
    let house = House::start(&[]);
    let (mut iris, mut wee) = meet(clients, &house);
    iris.types("/join #tea");
    iris.sees("Join to #tea was synced");
    iris.screen.wait_for("[@iris]");
    wee.types_to_server("/join #tea");
    let mut tea = crate::place::follow(&wee.place.path("logs/irc.team.#tea.weechatlog"));
    tea.wait_for("Channel #tea: 2 nicks (1 op, 0 voices, 1 normal)");
    iris.sees("wee [wee@127.0.0.1] has joined #tea");
    iris.types("/topic Grüner Tee & Gebäck");
    iris.sees("iris changed the topic of #tea to: Grüner Tee & Gebäck");
    tea.wait_for("iris has changed topic for #tea to \"Grüner Tee & Gebäck\"");
    iris.types("/op wee");
    tea.wait_for("Mode #tea [+o wee] by iris");
    iris.types("/mode +ml 5");
    tea.wait_for("Mode #tea [+ml 5] by iris");
    wee.types_in("#tea", "/deop iris");
    iris.sees("mode/#tea [-o iris] by wee");
    wee.types_in("#tea", "/voice iris");
    iris.sees("mode/#tea [+v iris] by wee");
    wee.types_in("#tea", "/op iris");
    iris.sees("mode/#tea [+o iris] by wee");
    iris.types("/ban *!*@10.0.0.*");
    tea.wait_for("[+b *!*@10.0.0.*] by iris");
    iris.types("/ban");
    iris.sees("*!*@10.0.0.*");
    iris.types("/mode");
    iris.types("/names");
    iris.sees("Total of 2 nicks");
    wee.types_in("#tea", "/topic");
    wee.types_in("#tea", "/nick weekly");
    iris.sees("wee is now known as weekly");
    iris.types("/nick wee");
    iris.sees("You're now known as wee");
    iris.types("/nick iris");
    iris.sees("You're now known as iris");
    iris.types("/nick weekly");
    iris.sees("Nick weekly is already in use");
    kicked_and_back(&mut iris, &mut wee, &mut tea);
    nothing_unknown(&iris, &wee);
}

fn kicked_and_back(iris: &mut Irssi, wee: &mut WeeChat, tea: &mut Process) {
    iris.types("/kick weekly no sugar");
    iris.sees("weekly was kicked from #tea by iris [no sugar]");
    tea.wait_for("iris has kicked weekly (no sugar)");
    iris.types("/mode +k milk");
    iris.sees("[+k milk] by iris");
    wee.types_to_server("/join #tea");
    tea.wait_for("#tea needs a key");
    wee.types_to_server("/join #tea milk");
    tea.wait_for("Topic for #tea is \"Grüner Tee & Gebäck\"");
    tea.wait_for("Topic set by iris");
    wee.types_in("#tea", "/part #tea thank you");
    iris.sees("weekly [wee@127.0.0.1] has left #tea [thank you]");
    iris.types("/invite weekly #tea");
    wee.server.wait_for("You have been invited to #tea by iris");
    iris.types("/mode #nowhere +m");
    iris.sees("No such channel");
    wee.types_to_server("/quit good night");
    iris.sees("weekly [wee@127.0.0.1] has quit [Quit: good night]");
}

fn privately(clients: [Installed; 3]) {
    let house = House::start(&[]);
    let (mut iris, mut wee) = meet(clients, &house);
    iris.types("/msg wee only for you: ½");
    let mut query = crate::place::follow(&wee.place.path("logs/irc.team.iris.weechatlog"));
    query.wait_for("iris\tonly for you: ½");
    wee.types_in("iris", "and for you");
    iris.sees("<wee> and for you");
    wee.types_in("iris", "/me nods");
    iris.sees("wee nods");
    iris.types("/notice wee look");
    query.wait_for("iris: look");
    iris.types("/ctcp wee PING");
    iris.sees("CTCP PING reply from wee: ");
    iris.types("/ctcp wee VERSION");
    iris.sees("CTCP VERSION reply from wee: WeeChat");
    wee.types_to_server("/away at lunch");
    wee.server.wait_for("You have been marked as being away");
    iris.types("/msg wee are you there?");
    iris.sees("wee is away: at lunch");
    about(&mut iris, &mut wee);
    iris.types("/quit so long");
    wee.lobby
        .wait_for("iris (iris@127.0.0.1) has quit (Quit: so long)");
    nothing_unknown(&iris, &wee);
}

/// Questions that people and clients ask, of whom `wee` is away.
fn about(iris: &mut Irssi, wee: &mut WeeChat) {
    iris.types("/whois wee");
    iris.sees("wee [wee@127.0.0.1]");
    iris.sees("channels : #lobby");
    iris.sees("away     : at lunch");
    iris.sees("End of WHOIS");
    wee.types_to_server("/away");
    wee.server
        .wait_for("You are no longer marked as being away");
    wee.types_to_server("/whois iris");
    wee.server.wait_for("[iris] (iris@127.0.0.1): iris");
    wee.server.wait_for("[iris] End of ");
    iris.types("/whois nobody");
    iris.sees("There is no such nick nobody");
    iris.types("/who #lobby");
    iris.sees("End of /WHO list");
    wee.types_to_server("/who #lobby");
    wee.server.wait_for("[#lobby] wee");
    wee.server.wait_for("End of ");
    wee.types_to_server("/join #tea");
    iris.types("/list");
    iris.sees("#lobby 2");
    iris.sees("#tea 1");
    wee.types_to_server("/list");
    wee.types_to_server("/whowas nobody");
    iris.types("/whowas nobody");
    iris.types("/motd");
    iris.types("/version");
    iris.types("/time");
    iris.types("/lusers");
    iris.types("/admin");
    iris.types("/info");
    iris.types("/stats u");
    iris.types("/links");
    iris.types("/ison wee nobody");
    iris.types("/userhost wee");
    iris.types("/mode iris");
    iris.types("/quote HELP");
    iris.types("/ping wee");
    iris.sees("CTCP PING reply from wee: ");
}

/// Names that need many lines.
fn many(clients: [Installed; 3]) {
    const MANY: usize = 300;
    let house = House::start(&[]);
    let mut members: Vec<TcpStream> = Vec::new();
    for number in 0..MANY {
        let mut member = TcpStream::connect(&house.server.address).expect("the server listens");
        let nick = format!("a-member-with-a-name-{number}");
        let hello = format!("NICK {nick}\r\nUSER u 0 * :u\r\nJOIN #lobby\r\n");
        member
            .write_all(hello.as_bytes())
            .expect("the server reads");
        members.push(member);
    }
    for member in &mut members {
        let mut heard = Vec::new();
        while !heard.windows(5).any(|window| window == b" 366 ") {
            let mut more = [0; 4096];
            let count = member.read(&mut more).expect("the server answers");
            assert_ne!(count, 0, "{}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&more[..count]);
        }
    }
    let [irssi, tmux, weechat] = clients;
    let mut wee = WeeChat::start(&weechat, "wee");
    wee.types(&format!(
        "/server add team 127.0.0.1/{} -notls -autojoin=#lobby",
        house.port
    ));
    wee.types("/connect team");
    wee.lobby
        .wait_for("Channel #lobby: 301 nicks (0 ops, 0 voices, 301 normal");
    let mut iris = Irssi::start(&irssi, &tmux, "iris");
    iris.comes(&house.port, None);
    // So many it counts only, until it is asked for them.
    iris.types("/names #lobby");
    iris.sees("[Users #lobby]");
    iris.sees("#lobby: Total of 302 nicks [0 ops, 0 halfops, 0 voices, 302 normal]");
    let shown = iris.shown.output();
    for number in 0..MANY {
        assert!(
            shown.contains(&format!(" a-member-with-a-name-{number:<3}]")),
            "{number} of\n{shown}"
        );
    }
    drop(members);
    iris.types("/msg #lobby who is left?");
    wee.lobby.wait_for("iris\twho is left?");
    nothing_unknown(&iris, &wee);
}

/// The server knew all that the clients have asked for, and the clients all that it has answered.
pub fn nothing_unknown(iris: &Irssi, wee: &WeeChat) {
    for shown in [iris.shown.output(), wee.server.output(), wee.lobby.output()] {
        for complaint in ["Unknown command", "not found for command", "1970", "=!="] {
            assert!(!shown.contains(complaint), "{complaint} in\n{shown}");
        }
    }
}
