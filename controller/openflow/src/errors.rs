//! What the errors of every version have in common.

/// Declares a version's `ErrorType` and `ErrorMessage`: kinds and codes have names, and those that
/// have none stay numbers.
macro_rules! errors {
    (
        section $section:literal;
        $($(#[$doc:meta])* $kind:ident = $number:literal, $name:literal:
            [$($code:literal $code_name:literal),* $(,)?];)*
    ) => {
        #[doc = concat!("What kind of error (`OFPET_*`, ", $section, ").")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct ErrorType(pub u16);

        #[doc = concat!("The other side could not do what a message asked for (", $section, ").")]
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct ErrorMessage {
            /// What kind.
            pub kind: ErrorType,
            /// Which error of its kind.
            pub code: u16,
            /// The message at fault, at least its first 64 bytes; text where the kind is
            /// [`ErrorType::HELLO_FAILED`].
            pub data: Vec<u8>,
        }

        impl ErrorType {
            $($(#[$doc])* pub const $kind: ErrorType = ErrorType($number);)*

            /// Its name in the specification without the prefix, in lower case.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)*
                    _ => None,
                }
            }

            /// The name of one of its codes.
            pub const fn code_name(self, code: u16) -> Option<&'static str> {
                match (self.0, code) {
                    $($(($number, $code) => Some($code_name),)*)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for ErrorMessage {
            /// `bad_match/bad_prereq`, with numbers for what has no name.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.kind.name() {
                    Some(name) => f.write_str(name)?,
                    None => write!(f, "type {}", self.kind.0)?,
                }
                match self.kind.code_name(self.code) {
                    Some(name) => write!(f, "/{name}"),
                    None => write!(f, "/{}", self.code),
                }
            }
        }

        impl ErrorMessage {
            pub(super) fn read(input: &[u8]) -> $crate::read::Read<'_, ErrorMessage> {
                use $crate::layout::Fixed;
                use $crate::read::{field, rest};
                let (i, kind) = field("type", u16::read, input)?;
                let (i, code) = field("code", u16::read, i)?;
                let (i, data) = rest(i)?;
                Ok((i, ErrorMessage { kind: ErrorType(kind), code, data }))
            }

            pub(super) fn encode(&self, out: &mut Vec<u8>) {
                out.extend(self.kind.0.to_be_bytes());
                out.extend(self.code.to_be_bytes());
                out.extend(&self.data);
            }

            pub(super) fn encoded_len(&self) -> usize {
                4 + self.data.len()
            }
        }
    };
}

pub(crate) use errors;
