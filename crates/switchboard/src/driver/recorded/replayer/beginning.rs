//! What the program begins in a replay: it is compared, and answered as it was then.
//! It must never do any of it.

use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;

use super::super::entry::{Answer, Call};
use super::Replayer;
use crate::driver::Resource;
use crate::guard::guard;
use crate::net::{ConnectOptions, Endpoint, UnixAddress};
use crate::offload::Job;
use crate::{Address, Listener, Token};

impl Replayer {
    pub(super) fn began(&mut self, call: &Call) -> io::Result<()> {
        match self.expect(call) {
            Some(Answer::Failed(error)) => Err(error),
            Some(Answer::Panicked(message)) => resume_unwind(Box::new(message)),
            _ => Ok(()),
        }
    }

    pub(crate) fn bind(&mut self, endpoint: &Endpoint) -> io::Result<Listener> {
        match self.expect(&Call::Bind(endpoint.to_string())) {
            Some(Answer::Addresses(addresses)) => Ok(Listener::replayed(addresses)),
            Some(Answer::Failed(error)) => Err(error),
            // Whatever the program does with it, nothing will come of it.
            _ => Ok(Listener::replayed(vec![Address::Ip(([0; 4], 0).into())])),
        }
    }

    pub(crate) fn register(&mut self, token: Token, resource: Resource) -> io::Result<()> {
        let result = self.began(&Call::Register(token, resource.kind()));
        #[cfg(unix)]
        if let (Ok(()), Resource::Watch(source, _)) = (&result, resource) {
            self.watched.insert(token, source);
        }
        result
    }

    pub(crate) fn listen(&mut self, token: Token, addresses: &[SocketAddr]) -> io::Result<()> {
        self.began(&Call::Listen(token, addresses.to_vec()))
    }

    pub(crate) fn connect(
        &mut self,
        token: Token,
        address: SocketAddr,
        _: &ConnectOptions,
    ) -> io::Result<()> {
        self.began(&Call::Connect(token, address))
    }

    pub(crate) fn connect_unix(
        &mut self,
        token: Token,
        address: &UnixAddress,
        _: &ConnectOptions,
    ) -> io::Result<()> {
        self.began(&Call::ConnectUnix(token, address.clone()))
    }

    pub(crate) fn resolve(&mut self, token: Token, host: String) -> io::Result<()> {
        self.began(&Call::Resolve(token, host))
    }

    /// The job is not run: what it returned is in the recording.
    pub(crate) fn offload(&mut self, token: Token, job: Job) -> io::Result<()> {
        let (id, codec, call) = (job.id.0, job.codec, Call::of_job(token, &job));
        let _ = guard(move || drop(job)); // what it holds may panic; that ends nothing
        self.began(&call)?;
        if let Some(codec) = codec {
            self.codecs.insert(id, codec);
        }
        Ok(())
    }
}
