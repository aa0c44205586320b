use super::{Value, amf3};
use crate::Error;
use crate::cursor::Cursor;

/// How deep values may nest.
pub const DEPTH_MAX: usize = 16;

/// How many values, nested ones counted, one message may hold. FFmpeg's metadata has about 20, a
/// file's with a keyframe index some thousands.
pub const VALUES_MAX: usize = 16_384;

/// The first byte of a value (AMF0 2.1).
pub(super) mod mark {
    pub(crate) const NUMBER: u8 = 0x00;
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const STRING: u8 = 0x02;
    pub(crate) const OBJECT: u8 = 0x03;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const UNDEFINED: u8 = 0x06;
    pub(crate) const REFERENCE: u8 = 0x07;
    pub(crate) const ECMA_ARRAY: u8 = 0x08;
    pub(crate) const OBJECT_END: u8 = 0x09;
    pub(crate) const STRICT_ARRAY: u8 = 0x0a;
    pub(crate) const DATE: u8 = 0x0b;
    pub(crate) const LONG_STRING: u8 = 0x0c;
    pub(crate) const UNSUPPORTED: u8 = 0x0d;
    pub(crate) const XML: u8 = 0x0f;
    pub(crate) const TYPED_OBJECT: u8 = 0x10;
    pub(crate) const AVM_PLUS: u8 = 0x11;
}

/// Reads the first value of `bytes` and says how many bytes it took.
///
/// # Errors
/// [`Error::Incomplete`], [`Error::Malformed`], or [`Error::TooLarge`] past [`DEPTH_MAX`] or
/// [`VALUES_MAX`].
pub fn read(bytes: &[u8]) -> Result<(Value, usize), Error> {
    let mut reader = Reader::new(bytes);
    let value = reader.value(0)?;
    Ok((value, bytes.len() - reader.cursor.rest().len()))
}

/// Reads values until `bytes` are used up.
///
/// # Errors
/// As [`read`].
pub fn read_all(bytes: &[u8]) -> Result<Vec<Value>, Error> {
    let mut reader = Reader::new(bytes);
    let mut values = Vec::new();
    while !reader.cursor.is_empty() {
        values.push(reader.value(0)?);
    }
    Ok(values)
}

/// What one message may still cost. A reference of AMF3 repeats a text for a byte or two, so texts
/// are counted apart from the bytes they came from.
pub(super) struct Budget {
    values: usize,
    text: usize,
}

impl Budget {
    pub(super) fn enter(&mut self, depth: usize) -> Result<(), Error> {
        if depth >= DEPTH_MAX {
            return Err(Error::TooLarge { what: "AMF nesting", limit: DEPTH_MAX as u64 });
        }
        self.values = self
            .values
            .checked_sub(1)
            .ok_or(Error::TooLarge { what: "AMF value count", limit: VALUES_MAX as u64 })?;
        Ok(())
    }

    pub(super) fn text(&mut self, bytes: usize) -> Result<(), Error> {
        let limit = self.text as u64;
        self.text = self
            .text
            .checked_sub(bytes)
            .ok_or(Error::TooLarge { what: "AMF referenced text", limit })?;
        Ok(())
    }
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    budget: Budget,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Reader<'a> {
        let budget = Budget { values: VALUES_MAX, text: bytes.len() + (64 << 10) };
        Reader { cursor: Cursor::new(bytes), budget }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Error> {
        self.budget.enter(depth)?;
        let cursor = &mut self.cursor;
        Ok(match cursor.u8("AMF0 marker")? {
            mark::NUMBER => Value::Number(cursor.f64("AMF0 number")?),
            mark::BOOLEAN => Value::Boolean(cursor.u8("AMF0 boolean")? != 0),
            mark::STRING => Value::String(self.key()?),
            mark::OBJECT => Value::Object(self.properties(depth)?),
            mark::NULL => Value::Null,
            // 2.15: the type exists so that it can be told apart; there is nothing in it.
            mark::UNDEFINED | mark::UNSUPPORTED => Value::Undefined,
            mark::REFERENCE => Value::Reference(cursor.u16("AMF0 reference")?),
            mark::ECMA_ARRAY => {
                // The count is a hint (2.10) that real programs get wrong; the end mark decides.
                cursor.u32("AMF0 ECMA array count")?;
                Value::EcmaArray(self.properties(depth)?)
            }
            mark::STRICT_ARRAY => {
                // Not an allocation: a false count ends where the bytes do.
                let count = cursor.u32("AMF0 strict array count")?;
                let values = (0..count).map(|_| self.value(depth + 1));
                Value::StrictArray(values.collect::<Result<_, _>>()?)
            }
            mark::DATE => {
                let millis = cursor.f64("AMF0 date")?;
                cursor.u16("AMF0 date's time zone")?;
                Value::Date(millis)
            }
            mark::LONG_STRING => Value::String(self.long_text()?),
            mark::XML => Value::Xml(self.long_text()?),
            mark::TYPED_OBJECT => {
                let class = self.key()?;
                Value::Typed { class, properties: self.properties(depth)? }
            }
            mark::AVM_PLUS => amf3::value(cursor, &mut self.budget, depth)?,
            _ => return cursor.malformed_before("AMF0 marker"),
        })
    }

    fn properties(&mut self, depth: usize) -> Result<Vec<(String, Value)>, Error> {
        let mut properties = Vec::new();
        loop {
            let key = self.key()?;
            if key.is_empty() && self.cursor.rest().first() == Some(&mark::OBJECT_END) {
                self.cursor.u8("AMF0 object end")?;
                return Ok(properties);
            }
            properties.push((key, self.value(depth + 1)?));
        }
    }

    fn key(&mut self) -> Result<String, Error> {
        let length = self.cursor.u16("AMF0 string length")?;
        self.text(length.into())
    }

    fn long_text(&mut self) -> Result<String, Error> {
        let length = self.cursor.u32("AMF0 long string length")?;
        self.text(length as usize)
    }

    fn text(&mut self, length: usize) -> Result<String, Error> {
        let bytes = self.cursor.take(length, "AMF0 string")?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Value> {
        let texts = ".{0,12}";
        let leaf = prop_oneof![
            any::<i32>().prop_map(|n| Value::Number(n.into())),
            any::<bool>().prop_map(Value::Boolean),
            texts.prop_map(Value::String),
            Just(Value::String("long".repeat(20_000))),
            Just(Value::Null),
            Just(Value::Undefined),
            any::<u16>().prop_map(Value::Reference),
            any::<i32>().prop_map(|n| Value::Date(n.into())),
            texts.prop_map(Value::Xml),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let properties = prop::collection::vec((".{1,5}", inner.clone()), 0..5);
            prop_oneof![
                properties.clone().prop_map(Value::Object),
                properties.clone().prop_map(Value::EcmaArray),
                prop::collection::vec(inner, 0..5).prop_map(Value::StrictArray),
                (".{0,5}", properties)
                    .prop_map(|(class, properties)| Value::Typed { class, properties }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(values in prop::collection::vec(values(), 0..4)) {
            let mut bytes = Vec::new();
            values.iter().for_each(|value| value.encode(&mut bytes));
            prop_assert_eq!(bytes.len(), values.iter().map(Value::encoded_len).sum::<usize>());
            prop_assert_eq!(read_all(&bytes), Ok(values));
        }

        #[test]
        fn a_cut_value_is_incomplete(value in values(), part in 0.0..1.0f64) {
            let mut bytes = Vec::new();
            value.encode(&mut bytes);
            bytes.truncate((bytes.len() as f64 * part) as usize);
            let incomplete = matches!(read(&bytes), Err(Error::Incomplete { .. }));
            prop_assert!(incomplete);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), start in 0u8..0x12) {
            let mut all = vec![start];
            all.extend(bytes);
            let _ = read_all(&all);
        }
    }

    #[test]
    fn nesting_and_counts_are_bounded() {
        let deep = [mark::STRICT_ARRAY, 0, 0, 0, 1].repeat(1000);
        assert!(matches!(read(&deep), Err(Error::TooLarge { what: "AMF nesting", .. })));
        let mut many = vec![mark::STRICT_ARRAY, 0xff, 0xff, 0xff, 0xff];
        many.resize(VALUES_MAX + 100, mark::NULL);
        assert!(matches!(read(&many), Err(Error::TooLarge { what: "AMF value count", .. })));
    }

    #[test]
    fn an_ecma_array_ends_at_its_mark_whatever_its_count_says() {
        let bytes = [mark::ECMA_ARRAY, 0, 0, 0, 0, 0, 1, b'a', mark::NULL, 0, 0, mark::OBJECT_END];
        let array = Value::EcmaArray(vec![("a".into(), Value::Null)]);
        assert_eq!(read(&bytes), Ok((array, bytes.len())));
    }

    #[test]
    fn errors_name_the_offset() {
        let error = read(&[mark::OBJECT, 0, 1, b'a', 0x44]);
        assert_eq!(error, Err(Error::Malformed { what: "AMF0 marker", offset: 4 }));
    }
}
