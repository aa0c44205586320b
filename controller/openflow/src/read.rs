//! How the parsers read: nom over `&[u8]`, with errors that remember the field.

use nom::error::{ErrorKind, ParseError};
use nom::{IResult, Offset};

use crate::Error;

/// What is left of the input, and what was read from its front.
pub(crate) type Read<'a, T> = IResult<&'a [u8], T, Fault<'a>>;

/// Where reading failed, and in which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault<'a> {
    rest: &'a [u8],
    field: &'static str,
}

impl<'a> Fault<'a> {
    /// `field`, which begins at `rest`, cannot be what it is.
    pub(crate) fn at(rest: &'a [u8], field: &'static str) -> nom::Err<Fault<'a>> {
        nom::Err::Failure(Fault { rest, field })
    }
}

impl<'a> ParseError<&'a [u8]> for Fault<'a> {
    fn from_error_kind(rest: &'a [u8], _: ErrorKind) -> Fault<'a> {
        Fault { rest, field: "body" }
    }

    fn append(_: &'a [u8], _: ErrorKind, other: Fault<'a>) -> Fault<'a> {
        other
    }
}

/// `parser`, whose failure is blamed on `field` unless something inside it was blamed already.
pub(crate) fn field<'a, T>(
    field: &'static str,
    parser: impl FnOnce(&'a [u8]) -> Read<'a, T>,
    input: &'a [u8],
) -> Read<'a, T> {
    parser(input).map_err(|error| match error {
        nom::Err::Error(fault) => {
            nom::Err::Error(Fault { rest: fault.rest, field: named(&fault, field) })
        }
        other => other,
    })
}

fn named(fault: &Fault<'_>, outer: &'static str) -> &'static str {
    if fault.field == "body" { outer } else { fault.field }
}

/// The next `count` bytes as they are.
pub(crate) fn bytes(count: usize) -> impl Fn(&[u8]) -> Read<'_, &[u8]> {
    move |input| nom::bytes::complete::take(count)(input)
}

/// Skips `count` bytes of padding.
pub(crate) fn pad(count: usize, input: &[u8]) -> Read<'_, ()> {
    field("padding", bytes(count), input).map(|(rest, _)| (rest, ()))
}

/// Everything that is left.
pub(crate) fn rest(input: &[u8]) -> Read<'_, Vec<u8>> {
    Ok((&[], input.to_vec()))
}

/// As many `T` as the input holds; each must consume something.
pub(crate) fn all<'a, T>(
    parser: impl Fn(&'a [u8]) -> Read<'a, T>,
    mut input: &'a [u8],
) -> Read<'a, Vec<T>> {
    let mut items = Vec::new();
    while !input.is_empty() {
        let (left, item) = parser(input)?;
        if left.len() == input.len() {
            return Err(Fault::at(input, "list element of no length"));
        }
        items.push(item);
        input = left;
    }
    Ok((input, items))
}

/// A type-length-value structure whose 16-bit length, at byte 2, covers itself: its type, the bytes
/// after the four of type and length, and what follows.
pub(crate) fn sized<'a>(name: &'static str, input: &'a [u8]) -> Read<'a, (u16, &'a [u8])> {
    let Some(&[t0, t1, l0, l1]) = input.first_chunk::<4>() else {
        return Err(Fault::at(input, name));
    };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let body = input.get(4..length).ok_or_else(|| Fault::at(&input[2..], name))?;
    Ok((&input[length..], (u16::from_be_bytes([t0, t1]), body)))
}

/// Cuts a structure off `input` by the 16-bit length that it carries at byte `at`.
pub(crate) fn prefixed<'a>(
    name: &'static str,
    at: usize,
    input: &'a [u8],
) -> Result<(&'a [u8], &'a [u8]), nom::Err<Fault<'a>>> {
    let length = input.get(at..at + 2).ok_or_else(|| Fault::at(input, name))?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    match input.split_at_checked(length) {
        Some((_, _)) if length < at + 2 => Err(Fault::at(&input[at..], name)),
        Some(parts) => Ok(parts),
        None => Err(Fault::at(&input[at..], name)),
    }
}

/// Runs `parser` over the whole of `body`, a part of `message`.
pub(crate) fn whole<'a, T>(
    message: &'a [u8],
    body: &'a [u8],
    parser: impl FnOnce(&'a [u8]) -> Read<'a, T>,
) -> Result<T, Error> {
    match parser(body) {
        Ok(([], value)) => Ok(value),
        Ok((left, _)) => {
            Err(Error::Malformed { field: "bytes after the body", offset: message.offset(left) })
        }
        Err(nom::Err::Error(fault) | nom::Err::Failure(fault)) => {
            Err(Error::Malformed { field: fault.field, offset: message.offset(fault.rest) })
        }
        Err(nom::Err::Incomplete(_)) => {
            unreachable!("only nom's complete parsers are used on a framed message")
        }
    }
}
