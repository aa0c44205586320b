//! What the readers of both kinds of datagram share: which field it was, and where.

use bytes::Bytes;
use nom::error::{ContextError, ErrorKind, ParseError, context};
use nom::{IResult, Parser};

use crate::Error;

/// Where reading stopped, in which field, and whether for want of bytes.
pub(crate) struct Fail<'a> {
    input: &'a [u8],
    field: &'static str,
    short: bool,
}

impl<'a> Fail<'a> {
    /// That a field which begins at `input` says what cannot be.
    pub(crate) fn malformed(field: &'static str, input: &'a [u8]) -> nom::Err<Fail<'a>> {
        nom::Err::Error(Fail { input, field, short: false })
    }
}

impl<'a> ParseError<&'a [u8]> for Fail<'a> {
    fn from_error_kind(input: &'a [u8], kind: ErrorKind) -> Fail<'a> {
        Fail { input, field: "", short: kind == ErrorKind::Eof }
    }

    fn append(_: &'a [u8], _: ErrorKind, other: Fail<'a>) -> Fail<'a> {
        other
    }
}

impl<'a> ContextError<&'a [u8]> for Fail<'a> {
    fn add_context(input: &'a [u8], field: &'static str, other: Fail<'a>) -> Fail<'a> {
        // The innermost name is the most exact one.
        match other.field {
            "" => Fail { input, field, short: other.short },
            _ => other,
        }
    }
}

pub(crate) type Read<'a, T> = IResult<&'a [u8], T, Fail<'a>>;

/// What was read of the whole of a datagram.
///
/// # Errors
/// If reading failed, or if something is left.
pub(crate) fn whole<T>(datagram: &[u8], read: Read<'_, T>) -> Result<T, Error> {
    let offset = |rest: &[u8]| datagram.len() - rest.len();
    match read {
        Ok(([], message)) => Ok(message),
        Ok((rest, _)) => Err(Error::Malformed { field: "end", offset: offset(rest) }),
        Err(nom::Err::Error(fail) | nom::Err::Failure(fail)) => {
            let Fail { input, field, short } = fail;
            let offset = offset(input);
            Err(match short {
                true => Error::Truncated { field, offset },
                false => Error::Malformed { field, offset },
            })
        }
        // Every parser here is of nom's complete kind.
        Err(nom::Err::Incomplete(_)) => {
            Err(Error::Truncated { field: "datagram", offset: datagram.len() })
        }
    }
}

/// What `parser` reads as `field`, if `meaning` finds one in it.
pub(crate) fn checked<'a, T, U>(
    field: &'static str,
    mut parser: impl Parser<&'a [u8], Output = T, Error = Fail<'a>>,
    meaning: impl FnOnce(T) -> Option<U>,
    input: &'a [u8],
) -> Read<'a, U> {
    let (rest, raw) = match parser.parse(input) {
        Ok(read) => read,
        Err(nom::Err::Error(fail)) => {
            return Err(nom::Err::Error(Fail { input, field, short: fail.short }));
        }
        Err(other) => return Err(other),
    };
    match meaning(raw) {
        Some(value) => Ok((rest, value)),
        None => Err(Fail::malformed(field, input)),
    }
}

/// The next `n` bytes, as a slice of `whole`.
pub(crate) fn bytes_of<'a>(
    field: &'static str,
    whole: &Bytes,
    n: usize,
    input: &'a [u8],
) -> Read<'a, Bytes> {
    let (rest, bytes) = context(field, nom::bytes::complete::take(n)).parse(input)?;
    Ok((rest, whole.slice_ref(bytes)))
}
