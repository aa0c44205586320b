//! Structures whose fields follow each other at fixed places, said once for both directions.

use std::net::Ipv4Addr;

use crate::Mac;
use crate::read::{self, Read};
use crate::write;

/// A value that always takes the same number of bytes.
pub(crate) trait Fixed: Sized {
    /// How many.
    const LEN: usize;
    /// Reads it from exactly `LEN` bytes: no value of these types is wrong.
    fn get(input: &[u8]) -> Self;
    /// Reads it from the front of `input`.
    fn read(input: &[u8]) -> Read<'_, Self> {
        read::bytes(Self::LEN)(input).map(|(rest, bytes)| (rest, Self::get(bytes)))
    }
    /// Fills in `out`, which is `LEN` zero bytes.
    fn put(&self, out: &mut [u8]);
    /// Appends it to `out`: grown once, so that the places of all fields within it are constants.
    fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + Self::LEN, 0);
        self.put(&mut out[start..]);
    }
}

macro_rules! number {
    ($($ty:ty)*) => {$(
        impl Fixed for $ty {
            const LEN: usize = size_of::<$ty>();
            fn get(input: &[u8]) -> $ty {
                <$ty>::from_be_bytes(array(input))
            }
            fn put(&self, out: &mut [u8]) {
                out.copy_from_slice(&self.to_be_bytes());
            }
        }
    )*};
}

number! { u8 u16 u32 u64 }

fn array<const N: usize>(input: &[u8]) -> [u8; N] {
    input.try_into().expect("as many bytes as the type takes")
}

impl<T: Fixed + Copy + Default, const N: usize> Fixed for [T; N] {
    const LEN: usize = N * T::LEN;
    fn get(input: &[u8]) -> [T; N] {
        let mut values = [T::default(); N];
        for (value, bytes) in values.iter_mut().zip(input.chunks_exact(T::LEN)) {
            *value = T::get(bytes);
        }
        values
    }
    fn put(&self, out: &mut [u8]) {
        self.iter().zip(out.chunks_exact_mut(T::LEN)).for_each(|(value, out)| value.put(out));
    }
}

impl Fixed for Mac {
    const LEN: usize = 6;
    fn get(input: &[u8]) -> Mac {
        Mac(array(input))
    }
    fn put(&self, out: &mut [u8]) {
        out.copy_from_slice(&self.0);
    }
}

impl Fixed for Ipv4Addr {
    const LEN: usize = 4;
    fn get(input: &[u8]) -> Ipv4Addr {
        Ipv4Addr::from(array::<4>(input))
    }
    fn put(&self, out: &mut [u8]) {
        out.copy_from_slice(&self.octets());
    }
}

/// Text in a field of `N` bytes that ends at the first zero byte. What is no UTF-8 is replaced, as
/// [`String::from_utf8_lossy`] does; what is too long to leave room for one zero byte is cut, in
/// both directions, so that what was read can be written.
pub(crate) struct Text<const N: usize>;

impl<const N: usize> Text<N> {
    pub(crate) fn get(field: &[u8]) -> String {
        let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
        let mut text = String::from_utf8_lossy(text).into_owned();
        text.truncate(Self::fitting(&text));
        text
    }

    pub(crate) fn read(input: &[u8]) -> Read<'_, String> {
        read::bytes(N)(input).map(|(rest, field)| (rest, Self::get(field)))
    }

    /// How many bytes of `text` there is room for.
    fn fitting(text: &str) -> usize {
        let mut end = text.len().min(N - 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        end
    }

    pub(crate) fn put(text: &str, out: &mut [u8]) {
        let end = Self::fitting(text);
        out[..end].copy_from_slice(&text.as_bytes()[..end]);
    }

    pub(crate) fn write(text: &str, out: &mut Vec<u8>) {
        let start = out.len();
        write::zeros(N, out);
        Self::put(text, &mut out[start..]);
    }
}

/// Declares a structure, as visible as its fields, and its two directions. `pad n` after a field is
/// `n` bytes that mean nothing; `text n` in place of a type is a [`Text`] of `n` bytes; `pad n;` in
/// front of all is what leads.
macro_rules! layout {
    (
        $(#[$doc:meta])*
        $vis:vis $name:ident $([lead $lead:literal])? {
            $($(#[$fdoc:meta])* $field:ident: $ty:ident$(<$n:literal>)? $([$elem:ty; $len:literal])?
                $(, pad $pad:literal)?;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        $vis struct $name {
            $($(#[$fdoc])* $vis $field: $crate::layout::layout!(@type $ty $([$elem; $len])?),)*
        }

        impl $crate::layout::Fixed for $name {
            const LEN: usize = 0 $(+ $lead)?
                $(+ $crate::layout::layout!(@len $ty$(<$n>)? $([$elem; $len])?) $(+ $pad)?)*;

            fn get(input: &[u8]) -> $name {
                $(let input = &input[$lead..];)?
                $(
                    let ($field, input) = input
                        .split_at($crate::layout::layout!(@len $ty$(<$n>)? $([$elem; $len])?));
                    let $field = $crate::layout::layout!(@get $ty$(<$n>)? $([$elem; $len])?, $field);
                    $(let input = &input[$pad..];)?
                )*
                debug_assert!(input.is_empty());
                $name { $($field),* }
            }

            fn read(input: &[u8]) -> $crate::read::Read<'_, $name> {
                if let Some((bytes, rest)) = input.split_at_checked(Self::LEN) {
                    return Ok((rest, Self::get(bytes)));
                }
                // Too short: to say from which field on, go through them.
                let i = input;
                $(let (i, ()) = $crate::read::pad($lead, i)?;)?
                $(
                    let len = $crate::layout::layout!(@len $ty$(<$n>)? $([$elem; $len])?);
                    let (i, _) =
                        $crate::read::field(stringify!($field), $crate::read::bytes(len), i)?;
                    $(let (i, ()) = $crate::read::pad($pad, i)?;)?
                )*
                unreachable!("{} bytes beyond what was too short", i.len())
            }

            fn put(&self, out: &mut [u8]) {
                $(let out = &mut out[$lead..];)?
                $(
                    let (value, out) = out
                        .split_at_mut($crate::layout::layout!(@len $ty$(<$n>)? $([$elem; $len])?));
                    $crate::layout::layout!(@put $ty$(<$n>)? $([$elem; $len])?, self.$field, value);
                    $(let out = &mut out[$pad..];)?
                )*
                debug_assert!(out.is_empty());
            }
        }
    };
    (@type Text) => { String };
    (@type Array [$elem:ty; $len:literal]) => { [$elem; $len] };
    (@type $ty:ident) => { $ty };
    (@len Text<$n:literal>) => { $n };
    (@len Array [$elem:ty; $len:literal]) => { <[$elem; $len] as $crate::layout::Fixed>::LEN };
    (@len $ty:ident) => { <$ty as $crate::layout::Fixed>::LEN };
    (@get Text<$n:literal>, $bytes:expr) => { $crate::layout::Text::<$n>::get($bytes) };
    (@get Array [$elem:ty; $len:literal], $bytes:expr) => {
        <[$elem; $len] as $crate::layout::Fixed>::get($bytes)
    };
    (@get $ty:ident, $bytes:expr) => { <$ty as $crate::layout::Fixed>::get($bytes) };
    (@put Text<$n:literal>, $value:expr, $out:expr) => {
        $crate::layout::Text::<$n>::put(&$value, $out)
    };
    (@put Array [$elem:ty; $len:literal], $value:expr, $out:expr) => {
        $crate::layout::Fixed::put(&$value, $out)
    };
    (@put $ty:ident, $value:expr, $out:expr) => { $crate::layout::Fixed::put(&$value, $out) };
}

/// Declares an enumeration of one byte (or more) on the wire that keeps values it does not know.
macro_rules! open_enum {
    (
        $(#[$doc:meta])*
        $name:ident: $repr:ident { $($(#[$vdoc:meta])* $variant:ident = $value:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A value that this codec does not know.
            Other($repr),
        }

        impl $crate::layout::Fixed for $name {
            const LEN: usize = size_of::<$repr>();
            fn get(input: &[u8]) -> $name {
                match <$repr as $crate::layout::Fixed>::get(input) {
                    $($value => $name::$variant,)*
                    other => $name::Other(other),
                }
            }
            fn put(&self, out: &mut [u8]) {
                let value: $repr = match self {
                    $($name::$variant => $value,)*
                    $name::Other(other) => *other,
                };
                $crate::layout::Fixed::put(&value, out);
            }
        }
    };
}

pub(crate) use {layout, open_enum};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    layout! {
        /// Every kind of field there is.
        pub(crate) Sample [lead 2] {
            /// A number.
            number: u16, pad 1;
            /// A text.
            text: Text<4>;
            /// An array.
            array: Array [u16; 2];
        }
    }

    #[test]
    fn fields_padding_text_and_arrays_lie_where_the_layout_says() {
        let sample = Sample { number: 0x0102, text: "abcdef".into(), array: [3, 4] };
        let mut wire = Vec::new();
        sample.write(&mut wire);
        assert_eq!(wire, [0, 0, 1, 2, 0, b'a', b'b', b'c', 0, 0, 3, 0, 4]);
        assert_eq!(wire.len(), Sample::LEN);
        let (rest, read) = Sample::read(&wire).expect("it reads back");
        assert_eq!((rest.len(), read.text.as_str()), (0, "abc"));
        assert_eq!(read, Sample { text: "abc".into(), ..sample });
        for (bytes, field, at) in
            [(1, "padding", 0), (3, "number", 2), (6, "text", 5), (9, "array", 9)]
        {
            let error = read::whole(&wire[..bytes], &wire[..bytes], Sample::read).unwrap_err();
            assert_eq!(error, Error::Malformed { field, offset: at }, "{bytes} bytes");
        }
    }

    #[test]
    fn text_is_cut_between_characters() {
        let mut out = Vec::new();
        Text::<4>::write("aéé", &mut out);
        assert_eq!(out, [b'a', 0xc3, 0xa9, 0]);
    }
}
