//! What the messages of every version have in common.

/// Declares a version's `Body`, an enum of what a message can say, and its `Message`. Bodies are of
/// four kinds: nothing, mere bytes, of fixed length (by [`Fixed`](crate::layout::Fixed)) and of
/// their own length (`read`, `encode` and `encoded_len`).
macro_rules! messages {
    (
        version $version:literal, $version_name:literal, $section:literal;
        empty { $($(#[$edoc:meta])* $empty:ident = $enumber:literal, $ename:literal;)* }
        bytes { $($(#[$bdoc:meta])* $bytes:ident = $bnumber:literal, $bname:literal;)* }
        fixed { $($(#[$fdoc:meta])* $fixed:ident($fty:ident) = $fnumber:literal, $fname:literal;)* }
        sized { $($(#[$sdoc:meta])* $sized:ident($sty:ident) = $snumber:literal, $sname:literal;)* }
    ) => {
        #[doc = concat!("What a message says (", $section, ").")]
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Body {
            $($(#[$edoc])* $empty,)*
            $($(#[$bdoc])* $bytes(Vec<u8>),)*
            $($(#[$fdoc])* $fixed($fty),)*
            $($(#[$sdoc])* $sized($sty),)*
            /// A message of a type that this codec does not know, as it came.
            Unknown {
                /// Its type.
                kind: u8,
                /// What follows the header.
                body: Vec<u8>,
            },
        }

        impl Body {
            /// The type's name in the specification without the prefix, in lower case.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Body::$empty => $ename,)*
                    $(Body::$bytes(_) => $bname,)*
                    $(Body::$fixed(_) => $fname,)*
                    $(Body::$sized(_) => $sname,)*
                    Body::Unknown { .. } => "unknown",
                }
            }

            /// The type's number on the wire.
            pub const fn kind(&self) -> u8 {
                match self {
                    $(Body::$empty => $enumber,)*
                    $(Body::$bytes(_) => $bnumber,)*
                    $(Body::$fixed(_) => $fnumber,)*
                    $(Body::$sized(_) => $snumber,)*
                    Body::Unknown { kind, .. } => *kind,
                }
            }

            fn read(kind: u8, input: &[u8]) -> $crate::read::Read<'_, Body> {
                use $crate::layout::Fixed;
                use $crate::read::rest;
                match kind {
                    $($enumber => Ok((input, Body::$empty)),)*
                    $($bnumber => rest(input).map(|(i, body)| (i, Body::$bytes(body))),)*
                    $($fnumber => $fty::read(input).map(|(i, body)| (i, Body::$fixed(body))),)*
                    $($snumber => $sty::read(input).map(|(i, body)| (i, Body::$sized(body))),)*
                    _ => rest(input).map(|(i, body)| (i, Body::Unknown { kind, body })),
                }
            }

            fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Body::$empty => {})*
                    $(Body::$bytes(body) => out.extend(body),)*
                    $(Body::$fixed(body) => $crate::layout::Fixed::write(body, out),)*
                    $(Body::$sized(body) => body.encode(out),)*
                    Body::Unknown { body, .. } => out.extend(body),
                }
            }

            fn encoded_len(&self) -> usize {
                match self {
                    $(Body::$empty => 0,)*
                    $(Body::$bytes(body) => body.len(),)*
                    $(Body::$fixed(_) => <$fty as $crate::layout::Fixed>::LEN,)*
                    $(Body::$sized(body) => body.encoded_len(),)*
                    Body::Unknown { body, .. } => body.len(),
                }
            }
        }

        #[doc = concat!("One message of OpenFlow ", $version_name, " (", $section, ").")]
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct Message {
            /// Version in the header: this module's, but for a [`Body::Hello`], which says the
            /// highest that its sender speaks, and for an error that answers it.
            pub version: u8,
            /// Transaction: an answer has that of its question.
            pub xid: u32,
            /// What it says.
            pub body: Body,
        }

        impl Message {
            #[doc = concat!("A message of OpenFlow ", $version_name, ".")]
            pub const fn new(xid: u32, body: Body) -> Message {
                Message { version: $version, xid, body }
            }

            /// Reads exactly one message, as [`Framer`](crate::Framer) cuts them.
            ///
            /// # Errors
            /// [`Error::Incomplete`](crate::Error::Incomplete) if bytes are missing,
            /// [`Error::Version`](crate::Error::Version) for a version that is not this module's
            /// (hello and error are read whatever their version),
            /// [`Error::Malformed`](crate::Error::Malformed) else, bytes after the message's end
            /// among them.
            pub fn parse(bytes: &[u8]) -> Result<Message, $crate::Error> {
                let (header, message) = $crate::header::message($version, bytes)?;
                let body = &message[$crate::Header::LEN..];
                let body = $crate::read::whole(message, body, |i| Body::read(header.kind, i))?;
                Ok(Message { version: header.version, xid: header.xid, body })
            }

            /// Appends the message to `out`.
            ///
            /// # Panics
            /// If it is longer than 65535 bytes, which no header can say. What was parsed is not.
            pub fn encode(&self, out: &mut Vec<u8>) {
                let body = self.body.encoded_len();
                out.reserve($crate::Header::LEN + body);
                let header = $crate::Header::of(self.version, self.body.kind(), body, self.xid);
                header.encode(out);
                self.body.encode(out);
            }

            /// Length in bytes, header included.
            pub fn encoded_len(&self) -> usize {
                $crate::Header::LEN + self.body.encoded_len()
            }
        }
    };
}

pub(crate) use messages;
