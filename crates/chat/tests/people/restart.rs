//! The server is stopped and started again: the clients come back by themselves, and are shown what
//! was said while they were away.

use switchboard_partners::{Installed, Partner, Process, Suite};

use crate::irssi::Irssi;
use crate::others::{self, Web};
use crate::place::{House, Place, in_place};
use crate::weechat::WeeChat;

pub fn tests(suite: Suite) -> Suite {
    let all = [
        Partner::IRSSI,
        Partner::TMUX,
        Partner::WEECHAT,
        Partner::NC,
        Partner::WEBSOCKETS,
    ];
    suite.needs(all, "the_server_comes_back", comes_back)
}

fn comes_back(all: [Installed; 5]) {
    let [irssi, tmux, weechat, nc, websockets] = all;
    let data = Place::new();
    let mut house = House::start(&["--data", &data.path("data")]);
    let mut wee = WeeChat::start(&weechat, "wee");
    wee.comes(&house.port, None);
    wee.types("/set irc.server.team.autojoin \"#lobby\"");
    let mut iris = Irssi::start(&irssi, &tmux, "iris");
    iris.comes(&house.port, None);
    iris.types("before the stop");
    wee.lobby.wait_for("iris\tbefore the stop");

    house.server.process.interrupt();
    assert!(house.server.process.finish().success());
    wee.server.wait_for("reconnecting to server");
    iris.sees("Connection lost to 127.0.0.1");

    // Somebody is faster than they are.
    let flags = [
        "serve",
        "--rate",
        "off",
        "--listen",
        &house.server.address,
        "--data",
    ];
    let mut again = Process::start(in_place(&flags, &data.path("data")));
    again.wait_for("Ctrl-C stops it\n");
    let mut ned = others::plain(&nc, &house, false);
    ned.say("ned: nobody here?\n");
    ned.wait_for("Message received\n");
    wee.lobby.wait_for("iris\tbefore the stop");
    wee.lobby.wait_for("ned/line\tnobody here?");
    iris.types("/reconnect ALL");
    iris.sees("Welcome to Switchboard");
    iris.sees("< iris> before the stop");
    iris.sees("< ned/line> nobody here?");
    iris.sees("That was before you came");
    iris.types("here I am");
    wee.lobby.wait_for("iris\there I am");

    // Who can ask is shown nothing unasked.
    let mut tex = Web::comes(&websockets, &house, "text.ircv3.net", "tex", false);
    tex.process.say("CHATHISTORY LATEST #lobby * 2\n");
    let said = tex.process.wait_for(" BATCH -history\n");
    assert!(
        said.contains("nobody here?") && said.contains("here I am"),
        "{said}"
    );
    drop(again);
}
