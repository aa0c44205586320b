use std::fmt;

use serde::{Deserialize, Serialize};

/// A name that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{name}` is no {kind}: {rule}")]
pub struct NameError {
    name: String,
    kind: &'static str,
    rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(name: String) -> Result<$name, NameError> {
                let allowed: fn(&str) -> bool = $allowed;
                if allowed(&name) {
                    return Ok($name(name));
                }
                // A hostile name is not repeated at length.
                let name = name.chars().take(80).collect();
                Err(NameError { name, kind: $kind, rule: $rule })
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(name: &str) -> Result<$name, NameError> {
                $name::try_from(name.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// What a link is called. It also names the link's capture file and seeds its randomness.
    LinkName, "link name", "use 1 to 64 letters, digits, `-`, `_`, `.` or `:`, not beginning with `.`",
    |name| {
        (1..=64).contains(&name.len())
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
    }
}

name! {
    /// What a network interface is called. Linux takes up to 15 bytes; `%` would make it number the
    /// interface itself.
    InterfaceName, "interface name", "use 1 to 15 printable characters other than `/`, `:` and `%`",
    |name| {
        (1..=15).contains(&name.len())
            && name != "."
            && name != ".."
            && name.chars().all(|c| c.is_ascii_graphic() && !"/:%".contains(c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_or_a_path_would_misread_are_refused() {
        for name in ["h1-eth0", "s1-eth1", "tap_b.7"] {
            assert!(name.parse::<InterfaceName>().is_ok(), "{name}");
            assert!(name.parse::<LinkName>().is_ok(), "{name}");
        }
        for name in ["", ".", "..", "a/b", "tap%d", "a:b", "a b", "sixteen-bytes-xx", "ü"] {
            assert!(name.parse::<InterfaceName>().is_err(), "{name}");
        }
        for name in ["", "..", ".hidden", "../etc/passwd", "a b", &"x".repeat(65)] {
            assert!(name.parse::<LinkName>().is_err(), "{name}");
        }
        let error = "x/".repeat(10_000).parse::<LinkName>().expect_err("too long").to_string();
        assert!(error.len() < 300, "{error}");
    }
}
