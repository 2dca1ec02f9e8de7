//! How a reactor ends without breaking what is under way: nobody new is let in, connections go on
//! to their own ends, and a limit of time bounds that.
//! It must never drop a connection that the system has accepted already: its peer would be told that
//! it is there, and then that it is not.

use std::time::Duration;

use crate::core::{Core, Request};
use crate::driver::Driver;
use crate::handler::Close;
use crate::sources::{Kind, Phase};
use crate::timeouts::Due;
use crate::{LoopContext, Token};

impl<S: 'static> LoopContext<'_, S> {
    /// Lets nobody in any more, and shuts this reactor down when its last connection has ended, or
    /// after `limit`, whichever comes first. Until then connections go on as before, and new ones may
    /// be made, by [`connect`](Self::connect). For a server that is
    /// [replaced](crate::upgrade), or taken out of service.
    ///
    /// Listeners end, with [`Close::Shutdown`], when all whom the system has let in for us have been
    /// given to their handlers; who still waits in its queue is left to whoever else listens on the same
    /// socket, and refused if nobody does. UDP sockets end at once: they have no connections that would. What does not
    /// end by itself until the limit is [shut down](crate::ShutdownHandle::shutdown) then. A second
    /// call changes nothing. It concerns this reactor alone: the others of a
    /// [group](crate::ReactorGroup) are asked through their remotes.
    ///
    /// A [recording](crate::Recording) ends here: what is still to come depends on the system's moment.
    ///
    /// ```
    /// use std::net::TcpStream;
    /// use std::time::Duration;
    /// use switchboard::{Context, Handler, Reactor, Result, Stream};
    ///
    /// struct Server;
    ///
    /// impl Handler<()> for Server {
    ///     fn handle_accepted(&mut self, _: &mut (), cx: &mut Context<'_, ()>, stream: Stream) -> Result {
    ///         cx.drain(Duration::from_secs(30)); // one client is enough
    ///         cx.register(stream, Server).map(drop)
    ///     }
    /// }
    ///
    /// let mut reactor = Reactor::new(())?;
    /// let listener = reactor.bind("localhost:0")?;
    /// let client = TcpStream::connect(listener.local()?.ip().unwrap())?;
    /// reactor.listen_on(listener, Server)?;
    /// drop(client);
    /// reactor.run()?; // until the client has gone
    /// # Ok::<(), switchboard::Error>(())
    /// ```
    pub fn drain(&mut self, limit: Duration) {
        self.core.drain(limit);
    }

    /// Whether the reactor [drains](Self::drain) or shuts down: a server may tell its clients.
    pub fn is_ending(&self) -> bool {
        self.core.is_draining || self.core.stop.is_stopping()
    }
}

impl<S: 'static> Core<S> {
    #[cold]
    fn drain(&mut self, limit: Duration) {
        if self.is_draining || self.stop.is_stopping() {
            return;
        }
        tracing::debug!(connections = self.streams, ?limit, "draining");
        let limit = self.start_timer(self.now + limit, Due::Drain);
        if limit
            .and(self.start_timer(self.now, Due::DrainBegins))
            .is_err()
        {
            return self.stop.shutdown_own(); // no timer is left to end it with
        }
        self.is_draining = true;
        if self.is_recorded {
            let what = "a reactor that drains";
            self.requests.push(Request::Unrecordable(what));
        }
        let tokens: Vec<(Token, Kind, Phase)> = self
            .sources
            .iter()
            .map(|source| (source.token, source.kind, source.phase))
            .collect();
        for (token, kind, phase) in tokens {
            match kind {
                // Its name is still being looked up.
                Kind::Listener if phase == Phase::Connecting => self.finish(token, Close::Shutdown),
                Kind::Listener => self.requests.push(Request::StopAccepting(token)),
                Kind::Datagram => self.close(token, Close::Shutdown),
                Kind::Stream | Kind::Watch | Kind::Signals | Kind::Child | Kind::File => {}
            }
        }
    }

    /// Ends the listeners that nobody comes through any more.
    #[cold]
    pub(crate) fn drain_on(&mut self, driver: &mut Driver) {
        for token in self.listeners.clone() {
            if driver.has_stopped_accepting(token) {
                self.finish(token, Close::Shutdown);
            }
        }
    }

    /// Ends the reactor after its last connection.
    #[cold]
    pub(crate) fn end_drained(&mut self) {
        if self.listeners.is_empty() && self.streams == 0 {
            self.stop.shutdown_own();
        }
    }
}
