//! Signals as sources: how they are asked for, and the handler that stops a reactor.
//! It must never catch one itself: the driver does, unless it is a replayed or simulated one.

use crate::driver::Resource;
use crate::handler::Handler;
use crate::io::{SignalSet, Signals};
use crate::sources::Kind;
use crate::{Context, LoopContext, Result, Token};

impl<S: 'static> LoopContext<'_, S> {
    /// Catches these signals (numbers as in [`signal`](crate::signal)), from the end of the present
    /// call on, in place of their default action: for SIGINT, SIGTERM and SIGHUP, that the process
    /// ends. Each is told once in a tick, however often it came. Other parts of the program may
    /// catch the same ones, by `signal-hook` or another reactor.
    ///
    /// When the source has ended, they do nothing: the default action does not come back, unless
    /// [`stop_on_signals`](Self::stop_on_signals) was asked for as well.
    ///
    /// # Errors
    /// A signal that cannot be caught; too many sources; the reactor is shutting down.
    ///
    /// # Platforms
    /// Unix.
    pub fn signals(&mut self, signals: &[i32], handler: impl Handler<S>) -> Result<Token> {
        self.catch(signals, false, handler)
    }

    /// Shuts the reactor down at the first of these signals, as [`stop`](Self::stop) does, and ends
    /// the process at the second one: at once, by the signal's default action, so that a shell
    /// shows the status 130 for SIGINT and 143 for SIGTERM. That works even while a handler holds
    /// the loop, or sources are slow to end; nothing of the program runs any more then, and a
    /// recording ends where it was. A program that has to tidy up in that case calls
    /// [`abort`](crate::ShutdownHandle::abort) in a [`handle_signal`](Handler::handle_signal) of
    /// its own.
    ///
    /// The source lives as long as the reactor, which therefore does not end by itself. When it has
    /// ended, the signals have their default action again. Catch them with
    /// [`signals`](Self::signals) too, to be told of the first one.
    ///
    /// ```no_run
    /// # struct Echo;
    /// # impl switchboard::Handler<()> for Echo {}
    /// use switchboard::Reactor;
    /// use switchboard::signal::{SIGINT, SIGTERM};
    ///
    /// let mut reactor = Reactor::new(())?;
    /// reactor.listen("localhost:7777", Echo)?;
    /// reactor.stop_on_signals(&[SIGINT, SIGTERM])?;
    /// reactor.run()?;
    /// println!("stopped"); // after the first one, when all that was sent has gone
    /// # Ok::<(), switchboard::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`signals`](Self::signals).
    ///
    /// # Platforms
    /// Unix.
    pub fn stop_on_signals(&mut self, signals: &[i32]) -> Result<Token> {
        self.catch(signals, true, Stopper { is_second: false })
    }

    fn catch(
        &mut self,
        signals: &[i32],
        is_forcing: bool,
        handler: impl Handler<S>,
    ) -> Result<Token> {
        let forbidden = signals
            .iter()
            .find(|signal| !SignalSet::can_catch(**signal));
        if let Some(signal) = forbidden {
            return Err(format!("signal {signal} cannot be caught").into());
        }
        let mut numbers = signals.to_vec();
        numbers.sort_unstable();
        numbers.dedup(); // or one would be its own second
        let signals = Signals {
            numbers,
            is_forcing,
        };
        self.add(Kind::Signals, Resource::Signals(signals), handler)
    }
}

struct Stopper {
    is_second: bool,
}

impl<S: 'static> Handler<S> for Stopper {
    fn handle_signal(&mut self, _: &mut S, cx: &mut Context<'_, S>, signal: i32) -> Result {
        tracing::debug!(signal, "stopping");
        if self.is_second {
            cx.shutdown_handle().abort(); // of a simulated host, which has no process to end
        }
        self.is_second = true;
        cx.stop();
        Ok(())
    }
}
