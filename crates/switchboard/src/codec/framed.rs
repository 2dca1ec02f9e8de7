//! A handler that is given whole frames: `Framed` joins a codec with a `FrameHandler`.
//! It must never hold bytes: a frame is lent from where it lies, and what is not given yet stays
//! unread, so that the bounds and the backpressure of the connection hold for it.

use std::fmt;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;

use super::{Codec, Frame};
use crate::io::FileDone;
use crate::offload::Done;
use crate::{Close, Context, Error, Handler, Result, TimerId};

/// As [`Handler`], for a connection whose bytes come in frames; [`Framed`] makes a `Handler` of it.
///
/// The methods are those of a connection, with the same defaults, and `handle_frame` in place of
/// `handle_read`.
#[allow(
    unused_variables,
    reason = "the defaults name their parameters for the docs"
)]
pub trait FrameHandler<S: 'static>: 'static {
    /// How the bytes are divided.
    type Codec: Codec;

    /// A whole frame has arrived. It is lent for the length of the call, from the driver's buffer
    /// or the inbox, and [consumed](Context::consume) already: [`cx.data`](Context::data) begins
    /// behind it.
    ///
    /// Each frame is a call of its own. A handler that is not ready for the next one
    /// [pauses](Context::pause_reading) reading; the next one is also put off while what was sent
    /// has to wait for a slow peer (see
    /// [`with_backpressure`](crate::SourceOptions::with_backpressure)). After 64 frames
    /// in a row the other connections have their turn first.
    ///
    /// # Errors
    /// Any: it ends the connection. So does the codec's own
    /// ([`Error::FrameTooLong`], [`Error::BadFrame`]), without this call.
    fn handle_frame(
        &mut self,
        state: &mut S,
        cx: &mut FrameContext<'_, S, Self::Codec>,
        frame: &[u8],
    ) -> Result;

    /// The stream has ended within a frame, of which `rest` has come. If this returns `Ok`,
    /// [`handle_eof`](Self::handle_eof) follows, unless this has closed.
    ///
    /// # Errors
    /// Any; by default [`Error::UnfinishedFrame`].
    fn handle_unfinished(
        &mut self,
        state: &mut S,
        cx: &mut FrameContext<'_, S, Self::Codec>,
        rest: &[u8],
    ) -> Result {
        Err(Error::UnfinishedFrame { len: rest.len() })
    }

    /// As [`Handler::handle_connect`].
    fn handle_connect(
        &mut self,
        state: &mut S,
        cx: &mut FrameContext<'_, S, Self::Codec>,
    ) -> Result {
        Ok(())
    }

    /// As [`Handler::handle_secured`].
    fn handle_secured(
        &mut self,
        state: &mut S,
        cx: &mut FrameContext<'_, S, Self::Codec>,
    ) -> Result {
        Ok(())
    }

    /// As [`Handler::handle_eof`].
    fn handle_eof(&mut self, state: &mut S, cx: &mut FrameContext<'_, S, Self::Codec>) -> Result {
        cx.close();
        Ok(())
    }

    /// As [`Handler::handle_write`].
    fn handle_write(&mut self, state: &mut S, cx: &mut FrameContext<'_, S, Self::Codec>) -> Result {
        Ok(())
    }

    /// As [`Handler::handle_timer`].
    fn handle_timer(
        &mut self,
        state: &mut S,
        cx: &mut FrameContext<'_, S, Self::Codec>,
        timer: TimerId,
    ) -> Result {
        Err(Error::Unhandled("handle_timer"))
    }

    /// As [`Handler::handle_done`].
    fn handle_done(
        &mut self,
        state: &mut S,
        cx: &mut FrameContext<'_, S, Self::Codec>,
        done: Done,
    ) -> Result {
        Err(Error::Unhandled("handle_done"))
    }

    /// As [`Handler::handle_file`].
    fn handle_file(
        &mut self,
        state: &mut S,
        cx: &mut FrameContext<'_, S, Self::Codec>,
        done: FileDone,
    ) -> Result {
        Err(Error::Unhandled("handle_file"))
    }

    /// As [`Handler::handle_error`].
    fn handle_error(
        &mut self,
        state: &mut S,
        cx: &mut FrameContext<'_, S, Self::Codec>,
        error: &Error,
    ) {
        tracing::error!(token = %cx.token(), %error, "handler failed");
    }

    /// As [`Handler::handle_close`].
    fn handle_close(
        &mut self,
        state: &mut S,
        cx: &mut FrameContext<'_, S, Self::Codec>,
        why: &Close,
    ) {
    }
}

/// What the methods of a [`FrameHandler`] get: the codec, and all that [`Context`] offers.
pub struct FrameContext<'a, S: 'static, C> {
    inner: Context<'a, S>,
    codec: &'a mut C,
    codec_changed: bool,
}

impl<S: 'static, C: Codec> FrameContext<'_, S, C> {
    /// The codec of this connection. A change of it, of its terminator say, holds from the next
    /// frame on, however many bytes of that have come already.
    pub fn codec(&mut self) -> &mut C {
        self.codec_changed = true;
        self.codec
    }

    /// Appends `frame`, encoded, to this source's outbox. One allocation; from 1 KiB on the bytes
    /// are copied once, below that twice.
    ///
    /// # Errors
    /// As [`Codec::encode`] and [`Context::send`]; nothing was sent then.
    pub fn send_frame(&mut self, frame: impl AsRef<[u8]>) -> Result {
        let encoded = self.codec.encoded(frame.as_ref())?;
        self.inner.send(encoded)
    }

    /// `frame` as the codec sends it: to [send](crate::LoopContext::send_to) to many, who share
    /// its memory.
    ///
    /// # Errors
    /// As [`Codec::encode`].
    pub fn encode(&self, frame: impl AsRef<[u8]>) -> Result<Bytes> {
        self.codec.encoded(frame.as_ref())
    }
}

impl<'a, S: 'static, C> Deref for FrameContext<'a, S, C> {
    type Target = Context<'a, S>;

    fn deref(&self) -> &Context<'a, S> {
        &self.inner
    }
}

impl<'a, S: 'static, C> DerefMut for FrameContext<'a, S, C> {
    fn deref_mut(&mut self) -> &mut Context<'a, S> {
        &mut self.inner
    }
}

impl<S: 'static, C: fmt::Debug> fmt::Debug for FrameContext<'_, S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameContext")
            .field("codec", &self.codec)
            .field("context", &self.inner)
            .finish()
    }
}

/// A [`Handler`] that finds the frames in what its connection receives, and gives each to the
/// [`FrameHandler`] in it.
///
/// ```
/// use switchboard::codec::{FrameContext, FrameHandler, Framed, Lines};
/// use switchboard::{Context, Handler, Reactor, Result, Stream};
///
/// struct Shout;
///
/// impl FrameHandler<()> for Shout {
///     type Codec = Lines;
///
///     fn handle_frame(
///         &mut self,
///         _: &mut (),
///         cx: &mut FrameContext<'_, (), Lines>,
///         line: &[u8],
///     ) -> Result {
///         cx.send_frame(line.to_ascii_uppercase())
///     }
/// }
///
/// struct Server;
///
/// impl Handler<()> for Server {
///     fn handle_accepted(
///         &mut self,
///         _: &mut (),
///         cx: &mut Context<'_, ()>,
///         stream: Stream,
///     ) -> Result {
///         cx.register(stream, Framed::new(Lines::new().with_max(1000), Shout)).map(drop)
///     }
/// }
///
/// let mut reactor = Reactor::new(())?;
/// reactor.listen("localhost:0", Server)?;
/// # use std::{io::{Read, Write}, net::{TcpListener, TcpStream}};
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let mut client = TcpStream::connect(listener.local_addr()?)?;
/// # let server: Stream = listener.accept()?.0.try_into()?;
/// # reactor.with(|_, cx| cx.register(server, Framed::new(Lines::new(), Shout)))?;
/// # client.write_all(b"hello\nyou")?;
/// # client.shutdown(std::net::Shutdown::Write)?;
/// # while reactor.sources() > 1 {
/// #     reactor.turn(None)?;
/// # }
/// # let mut answer = String::new();
/// # client.read_to_string(&mut answer)?;
/// # assert_eq!(answer, "HELLO\nYOU\n");
/// # Ok::<(), switchboard::Error>(())
/// ```
///
/// A frame is copied only if it came in more than one piece: to the inbox, with what is unread. Its
/// [limit](crate::SourceOptions::with_inbox_limit) is raised to what the codec may need for its
/// longest frame, so a small limit never makes a frame that the codec allows impossible; to bound
/// the memory of a connection, set the codec's maximum.
///
/// What [`Context::recv`] or [`Context::consume`] take from within a method is not seen by the
/// codec, which goes on behind it.
pub struct Framed<C, H> {
    codec: C,
    handler: H,
}

impl<C: Codec, H> Framed<C, H> {
    /// Gives the frames that `codec` finds to `handler`.
    pub fn new(codec: C, handler: H) -> Framed<C, H> {
        Framed { codec, handler }
    }

    /// Calls a method of the handler, and sees to what it has changed.
    fn call<S: 'static, T>(
        &mut self,
        cx: &mut Context<'_, S>,
        method: impl FnOnce(&mut H, &mut FrameContext<'_, S, C>) -> T,
    ) -> T {
        let taken = cx.taken;
        let mut frame_cx = FrameContext {
            inner: cx.reborrow(),
            codec: &mut self.codec,
            codec_changed: false,
        };
        let outcome = method(&mut self.handler, &mut frame_cx);
        let FrameContext {
            inner,
            codec_changed,
            ..
        } = frame_cx;
        (cx.taken, cx.again) = (inner.taken, inner.again);
        if cx.taken != taken {
            self.codec.rewind();
        }
        if codec_changed && !cx.data().is_empty() {
            cx.again(); // it may be a frame now
        }
        outcome
    }

    /// As `call`, and then gives the empty frames that the codec was asked for: nothing has to
    /// come first, so nothing else would.
    fn call_open<S: 'static>(
        &mut self,
        state: &mut S,
        cx: &mut Context<'_, S>,
        method: impl FnOnce(&mut H, &mut S, &mut FrameContext<'_, S, C>) -> Result,
    ) -> Result
    where
        H: FrameHandler<S, Codec = C>,
    {
        self.call(cx, |handler, cx| method(handler, state, cx))?;
        while self.codec.next_is_empty() && cx.is_served() {
            self.codec.decode(cx.data())?;
            self.call(cx, |handler, cx| handler.handle_frame(state, cx, &[]))?;
        }
        Ok(())
    }

    /// The next frame of a stream of which nothing more comes.
    fn last_frame<'d>(&mut self, data: &'d [u8]) -> Result<Option<Frame<'d>>> {
        match self.codec.decode(data)? {
            None => self.codec.decode_at_end(data),
            frame => Ok(frame),
        }
    }

    /// Sees to it that the longest frame fits into the inbox: with a smaller one it would wait for
    /// ever.
    fn make_room<S: 'static>(&self, cx: &mut Context<'_, S>) -> Result {
        let options = cx.options();
        let roomy = options.with_inbox_limit(self.codec.unread_max());
        if options.bounds.inbox_limit >= roomy.bounds.inbox_limit {
            return Ok(());
        }
        cx.set_options(roomy)
    }
}

impl<S: 'static, C: Codec, H: FrameHandler<S, Codec = C>> Handler<S> for Framed<C, H> {
    /// One frame: for each that is left the reactor calls again, within its bounds.
    fn handle_read(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        if cx.has_to_wait() {
            return Ok(()); // offered again when that is over
        }
        let Some(frame) = self.codec.decode(cx.data())? else {
            return self.make_room(cx);
        };
        cx.consume(frame.consumed);
        self.call_open(state, cx, |handler, state, cx| {
            handler.handle_frame(state, cx, frame.bytes)
        })?;
        if !cx.data().is_empty() {
            cx.again();
        }
        Ok(())
    }

    fn handle_eof(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        while let Some(frame) = self.last_frame(cx.data())? {
            cx.consume(frame.consumed);
            self.call_open(state, cx, |handler, state, cx| {
                handler.handle_frame(state, cx, frame.bytes)
            })?;
            if !cx.is_open(cx.token()) {
                return Ok(());
            }
        }
        let rest = cx.data();
        if !rest.is_empty() {
            cx.consume(rest.len());
            self.call_open(state, cx, |handler, state, cx| {
                handler.handle_unfinished(state, cx, rest)
            })?;
        }
        if cx.is_open(cx.token()) {
            self.call(cx, |handler, cx| handler.handle_eof(state, cx))?;
        }
        Ok(())
    }

    fn handle_connect(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        self.call_open(state, cx, |handler, state, cx| {
            handler.handle_connect(state, cx)
        })
    }

    fn handle_secured(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        self.call_open(state, cx, |handler, state, cx| {
            handler.handle_secured(state, cx)
        })
    }

    fn handle_write(&mut self, state: &mut S, cx: &mut Context<'_, S>) -> Result {
        self.call_open(state, cx, |handler, state, cx| {
            handler.handle_write(state, cx)
        })
    }

    fn handle_timer(&mut self, state: &mut S, cx: &mut Context<'_, S>, timer: TimerId) -> Result {
        self.call_open(state, cx, |handler, state, cx| {
            handler.handle_timer(state, cx, timer)
        })
    }

    fn handle_done(&mut self, state: &mut S, cx: &mut Context<'_, S>, done: Done) -> Result {
        self.call_open(state, cx, |handler, state, cx| {
            handler.handle_done(state, cx, done)
        })
    }

    fn handle_file(&mut self, state: &mut S, cx: &mut Context<'_, S>, done: FileDone) -> Result {
        self.call_open(state, cx, |handler, state, cx| {
            handler.handle_file(state, cx, done)
        })
    }

    fn handle_error(&mut self, state: &mut S, cx: &mut Context<'_, S>, error: &Error) {
        self.call(cx, |handler, cx| handler.handle_error(state, cx, error));
    }

    fn handle_close(&mut self, state: &mut S, cx: &mut Context<'_, S>, why: &Close) {
        self.call(cx, |handler, cx| handler.handle_close(state, cx, why));
    }
}

impl<C: fmt::Debug, H> fmt::Debug for Framed<C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framed")
            .field("codec", &self.codec)
            .finish_non_exhaustive()
    }
}
