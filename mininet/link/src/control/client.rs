use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::message::{Done, Listing, Request, Stats, Version, Which};
use super::name::LinkName;

/// Longer than any reply: 1024 links' statistics take about 1 MiB.
const MAX_REPLY: u64 = 16 << 20;

/// How long an answer may take. Making a TAP device takes milliseconds, on a busy machine tens.
const PATIENCE: Duration = Duration::from_secs(10);

/// Talks to a running `nearcast-link`, one request at a time.
///
/// ```no_run
/// use nearcast_link::{Client, Request};
/// let mut client = Client::connect("/run/nearcast/link.sock")?;
/// client.set(&"hb-s1".parse()?, serde_json::json!({ "delay": "30ms" }))?;
/// println!("{:?}", client.stats()?.timing);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The link process cannot be reached, went away, or did not answer in ten seconds.
    #[error("the link process does not answer: {0}")]
    Io(#[from] io::Error),
    /// It answered something that is not of this protocol.
    #[error("the link process answered what cannot be read: {0}")]
    Reply(#[from] serde_json::Error),
    /// It refused, and said why.
    #[error("the link process refused: {0}")]
    Refused(String),
}

impl Client {
    /// Connects to the socket that `nearcast-link run --socket` listens on.
    ///
    /// # Errors
    /// [`ClientError::Io`] if nobody listens there.
    pub fn connect(socket: impl AsRef<Path>) -> Result<Client, ClientError> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Sends any request and reads its reply, whose type [`Request`] names.
    ///
    /// # Errors
    /// See [`ClientError`]; after [`ClientError::Io`] and [`ClientError::Reply`] connect anew.
    pub fn call<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, ClientError> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line)?;
        line.clear();
        (&mut self.stream).take(MAX_REPLY).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut reply: Map<String, Value> = serde_json::from_slice(&line)?;
        if reply.remove("ok") == Some(Value::Bool(true)) {
            return Ok(serde_json::from_value(Value::Object(reply))?);
        }
        match reply.remove("error") {
            Some(Value::String(error)) => Err(ClientError::Refused(error)),
            _ => Err(ClientError::Refused("it gave no reason".to_owned())),
        }
    }

    /// Changes some parameters of both directions of a link: an object with fields of
    /// [`LinkParams`](crate::LinkParams).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn set(&mut self, name: &LinkName, params: Value) -> Result<(), ClientError> {
        let params = serde_json::from_value(params)?;
        let direction = Which::Both;
        self.done(&Request::Set { name: name.clone(), direction, params })
    }

    /// Plugs the cable of a link in, or pulls it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn set_up(&mut self, name: &LinkName, up: bool) -> Result<(), ClientError> {
        let name = name.clone();
        self.done(&if up { Request::Up { name } } else { Request::Down { name } })
    }

    /// Takes a link away.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn remove(&mut self, name: &LinkName) -> Result<(), ClientError> {
        self.done(&Request::Remove { name: name.clone() })
    }

    /// What the links did; the timing figures go on.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn stats(&mut self) -> Result<Stats, ClientError> {
        self.call(&Request::Stats { reset_timing: false })
    }

    /// What the links did; the timing figures begin anew after it, so that the next
    /// [`stats`](Client::stats) tells how well time was kept since.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn begin_window(&mut self) -> Result<Stats, ClientError> {
        self.call(&Request::Stats { reset_timing: true })
    }

    /// What the links are.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn list(&mut self) -> Result<Listing, ClientError> {
        self.call(&Request::List {})
    }

    /// What is answering.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn version(&mut self) -> Result<Version, ClientError> {
        self.call(&Request::Version {})
    }

    /// Ends the process.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn quit(&mut self) -> Result<(), ClientError> {
        self.done(&Request::Quit {})
    }

    /// Sends a request that is answered by [`Done`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn done(&mut self, request: &Request) -> Result<(), ClientError> {
        self.call::<Done>(request).map(|Done {}| ())
    }
}
