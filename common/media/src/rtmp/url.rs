use std::fmt;
use std::str::FromStr;

use crate::{Error, StreamName};

/// `rtmp://host[:port]/app/key`.
///
/// ```
/// let url: nearcast_media::rtmp::Url = "rtmp://10.0.0.1/live/room?token=1".parse().unwrap();
/// assert_eq!((url.host(), url.port(), url.app(), url.key()), ("10.0.0.1", 1935, "live", "room?token=1"));
/// assert_eq!(url.tc_url(), "rtmp://10.0.0.1/live");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    authority: String,
    host: String,
    port: u16,
    app: String,
    key: String,
}

impl Url {
    /// The host's name or address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port, 1935 unless the URL says otherwise.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The application, without slashes around it.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The key as it is to be sent, with what follows a `?`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The URL of the application, as `connect` sends it (RTMP 7.2.1.1).
    pub fn tc_url(&self) -> String {
        format!("rtmp://{}/{}", self.authority, self.app)
    }

    /// The stream's name.
    pub fn stream(&self) -> StreamName {
        StreamName::new(&self.app, &self.key).expect("checked when the URL was read")
    }
}

impl FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Url, Error> {
        let refuse = |why| Error::StreamName { text: text.chars().take(128).collect(), why };
        let rest = text.strip_prefix("rtmp://").ok_or(refuse("it does not begin with rtmp://"))?;
        let (authority, path) = rest.split_once('/').ok_or(refuse("it has no application"))?;
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of a bare IPv6 address are inside its brackets.
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| refuse("its port is not a number"))?)
            }
            _ => (authority, 1935),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(refuse("it has no host"));
        }
        // Slashes in a token are no path.
        let name_end = path.find('?').unwrap_or(path.len());
        let slash = path[..name_end].rfind('/').ok_or(refuse("it has no key"))?;
        let (app, key) = (path[..slash].trim_matches('/'), &path[slash + 1..]);
        StreamName::new(app, key)?;
        Ok(Url {
            authority: authority.to_owned(),
            host: host.to_owned(),
            port,
            app: app.to_owned(),
            key: key.to_owned(),
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tc_url(), self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_people_write_them() {
        let url: Url = "rtmp://[::1]:19350/a/b/key?x=1/2".parse().expect("a URL");
        assert_eq!(
            (url.host(), url.port(), url.app(), url.key()),
            ("::1", 19350, "a/b", "key?x=1/2")
        );
        assert_eq!(url.to_string(), "rtmp://[::1]:19350/a/b/key?x=1/2");
        assert_eq!(url.stream().as_str(), "a/b/key");
    }

    #[test]
    fn what_is_no_url_says_why() {
        for (text, why) in [
            ("http://h/a/k", "rtmp://"),
            ("rtmp://h", "no application"),
            ("rtmp://h/a", "no key"),
            ("rtmp:///a/k", "no host"),
            ("rtmp://h:x/a/k", "port"),
            ("rtmp://h/a/", "key is empty"),
        ] {
            let error = text.parse::<Url>().expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
