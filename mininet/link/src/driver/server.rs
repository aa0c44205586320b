use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::stat::{Mode, umask};

use super::error::DriverError;
use crate::control::{Done, reply_line};

/// The longest request; the longest sensible one is under 1 KiB.
const MAX_LINE: usize = 64 << 10;

/// How many clients are served at a time.
const MAX_CLIENTS: usize = 16;

/// The control socket and those connected to it. A client that does not read its replies is not
/// read from either, so that nothing grows.
pub(super) struct Server {
    listener: UnixListener,
    path: PathBuf,
    clients: Vec<Option<Client>>,
}

struct Client {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    /// It will send nothing more, or nothing more will be read: close once the output is gone.
    ending: bool,
    waits_to_write: bool,
}

impl Server {
    /// Listens at `path`, which only the user may open. A socket that a killed process left there
    /// is replaced, and nothing else is.
    pub(super) fn new(path: &Path) -> Result<Server, DriverError> {
        let failed = |source| DriverError::Socket { path: path.to_owned(), source };
        if std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket()) {
            if UnixStream::connect(path).is_ok() {
                return Err(DriverError::SocketTaken(path.to_owned()));
            }
            std::fs::remove_file(path).map_err(failed)?;
        }
        let before = umask(Mode::from_bits_truncate(0o177));
        let listener = UnixListener::bind(path);
        umask(before);
        let listener = listener.map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let clients = (0..MAX_CLIENTS).map(|_| None).collect();
        Ok(Server { listener, path: path.to_owned(), clients })
    }

    /// Lets in whoever waits outside; `epoll` reports them under `token` of their number.
    pub(super) fn accept(&mut self, epoll: &Epoll, token: impl Fn(usize) -> u64) {
        // Errors here are of those that gave up waiting, or pass.
        while let Ok((mut stream, _)) = self.listener.accept() {
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            let Some(number) = self.clients.iter().position(Option::is_none) else {
                let busy =
                    format!("{MAX_CLIENTS} clients are connected, which is all there can be");
                let _ = stream.write(&reply_line::<Done>(Err(&busy)));
                continue;
            };
            let event = EpollEvent::new(EpollFlags::EPOLLIN, token(number));
            if epoll.add(&stream, event).is_ok() {
                self.clients[number] = Some(Client::new(stream));
            }
        }
    }

    /// Reads from a client what it sent, and writes what it has not read yet.
    pub(super) fn transfer(&mut self, number: usize) {
        if let Some(client) = &mut self.clients[number]
            && client.write().and_then(|()| client.read()).is_err()
        {
            self.clients[number] = None;
        }
    }

    /// The next whole line of a client that reads its replies.
    pub(super) fn next_line(&mut self, number: usize) -> Option<Vec<u8>> {
        self.clients[number].as_mut()?.next_line()
    }

    /// Sends a reply, as far as the client takes it now.
    pub(super) fn reply(&mut self, number: usize, line: &[u8]) {
        if let Some(client) = &mut self.clients[number] {
            client.output.extend(line);
            if client.write().is_err() {
                self.clients[number] = None;
            }
        }
    }

    /// Waits for what the client has to do next, or lets it go if that is nothing.
    pub(super) fn settle(&mut self, number: usize, epoll: &Epoll, token: impl Fn(usize) -> u64) {
        let Some(client) = &mut self.clients[number] else { return };
        let must_write = !client.output.is_empty();
        let mut keep = must_write || !client.ending;
        if keep && must_write != client.waits_to_write {
            let flags = if must_write { EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
            let mut event = EpollEvent::new(flags, token(number));
            keep = epoll.modify(&client.stream, &mut event).is_ok();
            client.waits_to_write = must_write;
        }
        if !keep {
            self.clients[number] = None;
        }
    }
}

impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is there any more to be told if it cannot be removed.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Client {
    fn new(stream: UnixStream) -> Client {
        let (input, output) = (Vec::new(), Vec::new());
        Client { stream, input, output, ending: false, waits_to_write: false }
    }

    fn read(&mut self) -> io::Result<()> {
        if self.ending || !self.output.is_empty() || self.input.len() > MAX_LINE {
            return Ok(());
        }
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(0) => self.ending = true,
            Ok(len) => self.input.extend(&piece[..len]),
            Err(error) if would_block(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(len) => drop(self.output.drain(..len)),
                Err(error) if would_block(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn next_line(&mut self) -> Option<Vec<u8>> {
        if !self.output.is_empty() {
            return None;
        }
        let Some(end) = self.input.iter().position(|byte| *byte == b'\n') else {
            if self.input.len() > MAX_LINE && !self.ending {
                self.ending = true;
                self.input.clear();
                let error = format!("a request is at most {MAX_LINE} bytes long, in one line");
                self.output = reply_line::<Done>(Err(&error));
            }
            return None;
        };
        let mut line: Vec<u8> = self.input.drain(..=end).collect();
        line.pop();
        Some(line)
    }
}

fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
