//! What passes the layer as it is. It must never look at a connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::Layer;
use crate::datagrams::{Datagrams, Undelivered};
use crate::driver::{Choice, Resource, Waker};
use crate::io::FileAsk;
use crate::net::{ConnectOptions, Endpoint, UnixAddress};
use crate::offload::Job;
use crate::{Listener, Time, Token};

impl Layer {
    pub(crate) fn choice(&self) -> Choice {
        self.inner.choice()
    }

    pub(crate) fn now(&self) -> Time {
        self.inner.now()
    }

    pub(crate) fn wall_time(&mut self) -> SystemTime {
        self.inner.wall_time()
    }

    pub(crate) fn finish_closing(&mut self) -> io::Result<()> {
        self.inner.finish_closing()
    }

    pub(crate) fn rest(&mut self) -> io::Result<()> {
        self.inner.rest()
    }

    pub(crate) fn register(&mut self, token: Token, resource: Resource) -> io::Result<()> {
        self.inner.register(token, resource)
    }

    pub(crate) fn bind(&mut self, endpoint: &Endpoint) -> io::Result<Listener> {
        self.inner.bind(endpoint)
    }

    pub(crate) fn listen(&mut self, token: Token, addresses: &[SocketAddr]) -> io::Result<()> {
        self.inner.listen(token, addresses)
    }

    pub(crate) fn listen_udp(&mut self, token: Token, addresses: &[SocketAddr]) -> io::Result<()> {
        self.inner.listen_udp(token, addresses)
    }

    pub(crate) fn send_datagrams(
        &mut self,
        token: Token,
        queue: &mut Datagrams,
    ) -> Option<Undelivered> {
        self.inner.send_datagrams(token, queue)
    }

    pub(crate) fn connect(
        &mut self,
        token: Token,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> io::Result<()> {
        self.inner.connect(token, address, options)
    }

    pub(crate) fn connect_unix(
        &mut self,
        token: Token,
        address: &UnixAddress,
        options: &ConnectOptions,
    ) -> io::Result<()> {
        self.inner.connect_unix(token, address, options)
    }

    pub(crate) fn resolve(&mut self, token: Token, host: String) -> io::Result<()> {
        self.inner.resolve(token, host)
    }

    pub(crate) fn offload(&mut self, token: Token, job: Job) -> io::Result<()> {
        self.inner.offload(token, job)
    }

    pub(crate) fn ask_file(&mut self, ask: FileAsk) {
        self.inner.ask_file(ask);
    }

    #[cfg(unix)]
    pub(crate) fn kill_child(&mut self, token: Token, signal: i32) {
        self.inner.kill_child(token, signal);
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        self.inner.waker()
    }

    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> std::os::fd::BorrowedFd<'_> {
        self.inner.descriptor()
    }
}
