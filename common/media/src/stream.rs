use std::fmt;
use std::str::FromStr;

use crate::Error;

/// What a host does in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// It publishes the stream.
    Broadcaster,
    /// It plays the stream.
    Viewer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Broadcaster => "broadcaster",
            Role::Viewer => "viewer",
        })
    }
}

/// The name of a stream, `app/key`, as in `rtmp://host/app/key`.
///
/// At most 255 bytes of UTF-8 without control characters. The key is what stands after the last
/// slash. What follows a `?` in either half is a token for the server and no part of the name.
///
/// ```
/// use nearcast_media::StreamName;
/// let name = StreamName::new("live", "room?token=1").unwrap();
/// assert_eq!(name.as_str(), "live/room");
/// assert_eq!(name, "live/room".parse().unwrap());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(Box<str>);

impl StreamName {
    /// The longest name, in bytes.
    pub const MAX: usize = 255;

    /// The stream `key` of the application `app`.
    ///
    /// # Errors
    /// If a half is empty, holds a control character, if the key holds a slash, or if the whole is
    /// longer than [`StreamName::MAX`].
    pub fn new(app: &str, key: &str) -> Result<StreamName, Error> {
        let app = without_query(app).trim_matches('/');
        let key = without_query(key);
        let refuse = |why| {
            let text = format!("{app}/{key}").chars().take(64).collect();
            Err(Error::StreamName { text, why })
        };
        match () {
            () if app.is_empty() => refuse("the application is empty"),
            () if key.is_empty() => refuse("the key is empty"),
            () if key.contains('/') => refuse("the key holds a slash"),
            () if app.len() + 1 + key.len() > StreamName::MAX => refuse("it exceeds 255 bytes"),
            () if app.chars().chain(key.chars()).any(char::is_control) => {
                refuse("it holds a control character")
            }
            () => Ok(StreamName(format!("{app}/{key}").into())),
        }
    }

    /// The application, the part before the last slash.
    pub fn app(&self) -> &str {
        self.halves().0
    }

    /// The key, the part after the last slash.
    pub fn key(&self) -> &str {
        self.halves().1
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The short name that travels in chunks.
    pub fn id(&self) -> StreamId {
        let mut id = [0; 8];
        id.copy_from_slice(&blake3::hash(self.0.as_bytes()).as_bytes()[..8]);
        StreamId(id)
    }

    fn halves(&self) -> (&str, &str) {
        self.0.rsplit_once('/').expect("a stream name holds a slash from its construction on")
    }
}

fn without_query(text: &str) -> &str {
    text.split_once('?').map_or(text, |(name, _)| name)
}

impl FromStr for StreamName {
    type Err = Error;

    fn from_str(text: &str) -> Result<StreamName, Error> {
        match without_query(text).rsplit_once('/') {
            Some((app, key)) => StreamName::new(app, key),
            None => Err(Error::StreamName {
                text: text.chars().take(64).collect(),
                why: "expected the form app/key",
            }),
        }
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first 8 bytes of the BLAKE3 hash of a [`StreamName`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub [u8; 8]);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_application_and_a_key() {
        let name = StreamName::new("/live/eu/", "room?token=a/b").expect("a name");
        assert_eq!((name.as_str(), name.app(), name.key()), ("live/eu/room", "live/eu", "room"));
        assert_eq!("live/eu/room?x".parse(), Ok(name));
    }

    #[test]
    fn what_is_no_name_says_why() {
        let long = "k".repeat(251);
        for (app, key, why) in [
            ("", "k", "application is empty"),
            ("?a", "k", "application is empty"),
            ("a", "?k", "key is empty"),
            ("a", "b/c", "slash"),
            ("a", "b\nc", "control"),
            ("live", &long, "255"),
        ] {
            let error = StreamName::new(app, key).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!("live".parse::<StreamName>().is_err());
        assert!(StreamName::new("liv", &long).is_ok(), "255 bytes are allowed");
    }

    #[test]
    fn the_id_is_the_hash_of_the_name() {
        // Two machines must agree on it: a change here is a change of the format.
        let name: StreamName = "live/room".parse().expect("a name");
        assert_eq!(name.id().to_string(), "78b8bd81d765f99d");
        let other: StreamName = "live/rooms".parse().expect("a name");
        assert_ne!(name.id(), other.id());
    }
}
