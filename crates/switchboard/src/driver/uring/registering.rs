//! How a resource gets its place in the driver's table. It must never submit anything: what has to
//! be asked of the kernel is asked with the next wait.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use super::Uring;
use super::table::{Kind, LEAVING, Listening, PAUSED, Socket, TO_ARM, Watch};
use crate::driver::batches::DatagramSocket;
use crate::driver::{Notifier, Resource};
use crate::io::{Child, SignalSet};
use crate::net::{Endpoint, Sockets, Taken};
use crate::{Listener, Token};

impl Uring {
    pub(crate) fn register(&mut self, token: Token, resource: Resource) -> io::Result<()> {
        let kind = match resource {
            Resource::Stream(stream) => match stream.take()? {
                Taken::Tcp(fd) | Taken::Unix(fd) => Kind::Stream(fd),
                Taken::Channel(channel) => Kind::Channel(channel),
            },
            Resource::Listener(listener) => {
                let Sockets { file, fds } = listener.into_sockets()?;
                Kind::Listener(Box::new(Listening {
                    file,
                    sockets: fds.into_iter().map(Socket::new).collect(),
                    waiting: VecDeque::new(),
                    is_swept: false,
                }))
            }
            Resource::Watch(source, interest) => {
                let fd = source.as_fd().as_raw_fd();
                self.watched.begin(fd)?;
                Kind::Watch(Box::new(Watch {
                    _source: source,
                    fd,
                    interest,
                }))
            }
            Resource::Signals(signals) => {
                Kind::Notifier(Box::new(Notifier::Signals(SignalSet::new(&signals)?)))
            }
            Resource::Child(process) => {
                Kind::Notifier(Box::new(Notifier::Child(Child::spawn(process)?)))
            }
            Resource::Datagrams(socket) => {
                Kind::Datagrams(Box::new(DatagramSocket::new(socket.into_end()?)))
            }
        };
        let index = self.table.insert(token, kind);
        self.arm_later(index);
        Ok(())
    }

    pub(crate) fn bind(&mut self, endpoint: &Endpoint) -> io::Result<Listener> {
        Listener::bind_system(endpoint)
    }

    /// Has nobody let in any more. Who was let in already is handed out, even in a pause.
    pub(crate) fn stop_accepting(&mut self, token: Token) {
        let Some((index, place)) = self.table.find(token) else {
            return;
        };
        place.set(LEAVING);
        place.clear(PAUSED | TO_ARM);
        self.cancel_main(index);
        self.hand_out_later(index);
    }

    /// Whether nobody will come any more after [`stop_accepting`](Self::stop_accepting).
    pub(crate) fn has_stopped_accepting(&mut self, token: Token) -> bool {
        let Some((index, place)) = self.table.find(token) else {
            return true;
        };
        let Kind::Listener(listener) = &mut place.kind else {
            return true;
        };
        if place.under_way > 0 || !listener.waiting.is_empty() {
            return false;
        }
        if !std::mem::replace(&mut listener.is_swept, true) {
            listener.sweep();
            self.hand_out_later(index);
        }
        !self.table.at(index).has_offer()
    }

    pub(crate) fn listen(&mut self, token: Token, addresses: &[SocketAddr]) -> io::Result<()> {
        self.register(token, Resource::Listener(Listener::bind_all(addresses)?))
    }
}
