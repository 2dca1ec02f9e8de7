//! Says what happens to the files of a directory, a line each, until Ctrl-C:
//! `watch_directory [DIRECTORY]` (default: the present one).
//!
//! The `inotify` crate reads for itself, so the reactor only watches its descriptor. That must never
//! be read before it is ready.

#[cfg(target_os = "linux")]
mod directory {
    use std::path::{Path, PathBuf};

    use inotify::{EventMask, Inotify, WatchMask};
    use switchboard::signal::{SIGINT, SIGTERM};
    use switchboard::{Close, Context, Handler, Interest, Reactor, Ready, Result};

    struct Directory {
        path: PathBuf,
        inotify: Inotify,
        buffer: [u8; 4096],
    }

    /// Why the program cannot go on.
    type Failure = Option<String>;

    impl Handler<Failure> for Directory {
        fn handle_ready(
            &mut self,
            _: &mut Failure,
            _: &mut Context<'_, Failure>,
            _: Ready,
        ) -> Result {
            // What the buffer has no room for is told in the next tick.
            for event in self.inotify.read_events(&mut self.buffer)? {
                let what = match event.mask & !EventMask::ISDIR {
                    EventMask::CREATE => "made",
                    EventMask::CLOSE_WRITE => "written",
                    EventMask::DELETE => "removed",
                    EventMask::MOVED_FROM => "moved away",
                    EventMask::MOVED_TO => "moved here",
                    EventMask::Q_OVERFLOW => "not told, since it was too much at once:",
                    EventMask::IGNORED => return Err(format!("{:?} is gone", self.path).into()),
                    _ => continue,
                };
                // Quoted and escaped: whoever makes a file chooses what reaches the terminal.
                println!("{what} {:?}", event.name.unwrap_or("something".as_ref()));
            }
            Ok(())
        }

        fn handle_close(
            &mut self,
            failure: &mut Failure,
            cx: &mut Context<'_, Failure>,
            why: &Close,
        ) {
            if !matches!(why, Close::Shutdown) {
                *failure = Some(why.to_string());
                cx.stop();
            }
        }
    }

    pub fn watch(path: &Path) -> Result {
        let cannot = |error| format!("cannot watch {path:?}: {error}");
        let inotify = Inotify::init().map_err(cannot)?;
        let mask = WatchMask::CREATE | WatchMask::CLOSE_WRITE | WatchMask::DELETE;
        let mask = mask | WatchMask::MOVE | WatchMask::ONLYDIR;
        inotify.watches().add(path, mask).map_err(cannot)?;
        let mut reactor = Reactor::new(None)?;
        reactor.stop_on_signals(&[SIGINT, SIGTERM])?;
        // The reactor and the crate have a descriptor each, of the same queue of events.
        let watched = std::os::fd::AsFd::as_fd(&inotify).try_clone_to_owned()?;
        let directory = Directory {
            path: path.to_owned(),
            inotify,
            buffer: [0; 4096],
        };
        reactor.with(|_, cx| cx.watch(watched, Interest::Read, directory))?;
        println!("watching {path:?}");
        reactor.run()?;
        let failure = reactor.state_mut().take();
        failure.map_or(Ok(()), |failure| Err(failure.into()))
    }
}

#[cfg(target_os = "linux")]
fn main() -> switchboard::Result {
    let directory = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    directory::watch(directory.as_ref())
}

#[cfg(not(target_os = "linux"))]
fn main() -> switchboard::Result {
    Err("only Linux has inotify".into())
}
