//! What a service manager (systemd) gives to a program and hears from it: sockets that it has
//! opened, and how the program is.
//!
//! It must never be needed: without a manager every call says that there is none, and a program
//! goes on by itself.
//!
//! ```
//! use switchboard::service::{Inherited, ServiceManager};
//! use switchboard::{Context, Handler, Listener, Reactor, Result, Stream};
//!
//! struct Hello;
//!
//! impl Handler<()> for Hello {
//!     fn handle_accepted(&mut self, _: &mut (), cx: &mut Context<'_, ()>, stream: Stream) -> Result {
//!         let client = cx.register(stream, Hello)?;
//!         cx.send_to(client, "hello\n")?;
//!         cx.close_source(client);
//!         Ok(())
//!     }
//! }
//!
//! let mut inherited = Inherited::from_service_manager()?; // first, while there is one thread
//! let mut reactor = Reactor::new(())?;
//! let mut listeners = inherited.take_listeners("web"); // FileDescriptorName= in web.socket
//! if listeners.is_empty() {
//!     listeners.push(Listener::bind("localhost:0")?); // started by hand
//! }
//! for listener in listeners {
//!     reactor.listen_on(listener, Hello)?;
//! }
//! if let Some(manager) = ServiceManager::from_env()? {
//!     reactor.report_to(manager)?; // READY=1, WATCHDOG=1 from the loop, STOPPING=1
//! }
//! # reactor.shutdown_handle().shutdown();
//! reactor.run()?;
//! # Ok::<(), switchboard::Error>(())
//! ```
//!
//! # Platforms
//! Unix.

mod inherited;
mod manager;
mod reporting;

pub use inherited::Inherited;
#[cfg(target_os = "linux")]
pub(crate) use inherited::Socket;
pub use manager::ServiceManager;
pub(crate) use reporting::Report;
