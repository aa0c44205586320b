//! The keys of a broadcaster: one signs its streams, the other tells what it signed.

use std::fmt::{self, Display};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;

use ed25519_dalek::SigningKey;

use crate::error::Error;
use crate::system;

/// The public key of a broadcaster, 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

impl FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<PublicKey, String> {
        let mut key = [0; 32];
        hex::decode_to_slice(text, &mut key).map(|()| PublicKey(key)).map_err(|_| {
            "a broadcaster's key is 64 hexadecimal digits, as it notes them".to_owned()
        })
    }
}

impl Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A key that nobody has had before, for as long as the program runs.
pub(crate) fn fresh() -> Result<SigningKey, Error> {
    Ok(SigningKey::from_bytes(&system::entropy()?))
}

/// The key in a file, which is made if it is not there, for the user alone to read.
pub(crate) fn kept(path: &Path) -> Result<SigningKey, Error> {
    let wrong = |what: String| Error::Settings { name: path.display().to_string(), what };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = fresh()?;
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            made.and_then(|mut file| writeln!(file, "{}", hex::encode(key.to_bytes())))
                .map_err(|error| wrong(error.to_string()))?;
            Ok(key)
        }
        _ => {
            // A longer file is no key, and need not be read to its end.
            let mut text = String::new();
            fs::File::open(path)
                .and_then(|file| file.take(256).read_to_string(&mut text))
                .map_err(|error| wrong(error.to_string()))?;
            let mut secret = [0; 32];
            hex::decode_to_slice(text.trim(), &mut secret)
                .map_err(|_| wrong("a signing key is 64 hexadecimal digits".to_owned()))?;
            Ok(SigningKey::from_bytes(&secret))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_from_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let made = kept(&path).expect("it is made");
        assert_eq!(kept(&path).expect("it is there").to_bytes(), made.to_bytes());
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let public = PublicKey(made.verifying_key().to_bytes());
        assert_eq!(public.to_string().parse(), Ok(public));
    }

    #[test]
    fn what_is_no_key_is_left_alone_and_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        fs::write(&path, "my holiday diary").expect("a file");
        let error = kept(&path).expect_err("no key").to_string();
        assert!(error.contains("64 hexadecimal digits") && error.contains("key"), "{error}");
        assert_eq!(fs::read(&path).expect("a file"), b"my holiday diary");
        assert!(kept(folder.path()).is_err(), "a folder is no file");
        assert!("abc".parse::<PublicKey>().is_err());
    }
}
