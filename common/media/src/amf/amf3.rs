use super::Value;
use super::read::Budget;
use crate::Error;
use crate::cursor::Cursor;

/// Reads one value of AMF3, as it stands behind the AVM+ mark of AMF0. The reference tables begin
/// empty there (AMF0 3.1).
pub(super) fn value(
    cursor: &mut Cursor<'_>,
    budget: &mut Budget,
    depth: usize,
) -> Result<Value, Error> {
    Reader { cursor, budget, texts: Vec::new(), traits: Vec::new() }.value(depth)
}

struct Reader<'r, 'a> {
    cursor: &'r mut Cursor<'a>,
    budget: &'r mut Budget,
    texts: Vec<String>,
    traits: Vec<Traits>,
}

#[derive(Clone)]
struct Traits {
    class: String,
    dynamic: bool,
    names: Vec<String>,
}

impl Reader<'_, '_> {
    fn value(&mut self, depth: usize) -> Result<Value, Error> {
        self.budget.enter(depth)?;
        Ok(match self.cursor.u8("AMF3 marker")? {
            0x00 => Value::Undefined,
            0x01 => Value::Null,
            0x02 => Value::Boolean(false),
            0x03 => Value::Boolean(true),
            // 3.6: a 29-bit integer in two's complement.
            0x04 => Value::Number(f64::from(((self.u29()? << 3) as i32) >> 3)),
            0x05 => Value::Number(self.cursor.f64("AMF3 double")?),
            0x06 => Value::String(self.text()?),
            0x07 | 0x0b => match self.inline_or_reference()? {
                Ok(length) => Value::Xml(self.bytes_as_text(length)?),
                Err(reference) => reference,
            },
            0x08 => match self.inline_or_reference()? {
                Ok(_) => Value::Date(self.cursor.f64("AMF3 date")?),
                Err(reference) => reference,
            },
            0x09 => self.array(depth)?,
            0x0a => self.object(depth)?,
            _ => return self.cursor.malformed_before("AMF3 marker"),
        })
    }

    /// 1.3.1: one to four bytes, seven bits in each but the fourth.
    fn u29(&mut self) -> Result<u32, Error> {
        let mut value = 0;
        for _ in 0..3 {
            let byte = u32::from(self.cursor.u8("AMF3 integer")?);
            value = value << 7 | byte & 0x7f;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Ok(value << 8 | u32::from(self.cursor.u8("AMF3 integer")?))
    }

    /// A length, or the number of an object that came before.
    fn inline_or_reference(&mut self) -> Result<Result<usize, Value>, Error> {
        let header = self.u29()?;
        Ok(match header & 1 {
            1 => Ok((header >> 1) as usize),
            _ => Err(Value::Reference(u16::try_from(header >> 1).unwrap_or(u16::MAX))),
        })
    }

    fn bytes_as_text(&mut self, length: usize) -> Result<String, Error> {
        let bytes = self.cursor.take(length, "AMF3 string")?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn text(&mut self) -> Result<String, Error> {
        let header = self.u29()?;
        let number = (header >> 1) as usize;
        if header & 1 == 0 {
            let Some(text) = self.texts.get(number) else {
                return self.cursor.malformed_before("AMF3 string reference");
            };
            self.budget.text(text.len())?;
            return Ok(text.clone());
        }
        let text = self.bytes_as_text(number)?;
        if !text.is_empty() {
            self.budget.text(text.len())?;
            self.texts.push(text.clone());
        }
        Ok(text)
    }

    /// 3.11: named values until an empty name, then as many values as the header says.
    fn array(&mut self, depth: usize) -> Result<Value, Error> {
        let count = match self.inline_or_reference()? {
            Ok(count) => count,
            Err(reference) => return Ok(reference),
        };
        let mut named = self.named_values(depth)?;
        let dense = (0..count).map(|_| self.value(depth + 1)).collect::<Result<Vec<_>, _>>()?;
        if named.is_empty() {
            return Ok(Value::StrictArray(dense));
        }
        named.extend(dense.into_iter().enumerate().map(|(i, value)| (i.to_string(), value)));
        Ok(Value::EcmaArray(named))
    }

    fn named_values(&mut self, depth: usize) -> Result<Vec<(String, Value)>, Error> {
        let mut named = Vec::new();
        loop {
            let name = self.text()?;
            if name.is_empty() {
                return Ok(named);
            }
            named.push((name, self.value(depth + 1)?));
        }
    }

    /// 3.12
    fn object(&mut self, depth: usize) -> Result<Value, Error> {
        let header = self.u29()?;
        if header & 1 == 0 {
            return Ok(Value::Reference(u16::try_from(header >> 1).unwrap_or(u16::MAX)));
        }
        let traits = self.traits(header)?;
        let mut properties = Vec::new();
        for name in traits.names {
            self.budget.text(name.len())?;
            properties.push((name, self.value(depth + 1)?));
        }
        if traits.dynamic {
            properties.extend(self.named_values(depth)?);
        }
        Ok(match traits.class {
            class if class.is_empty() => Value::Object(properties),
            class => Value::Typed { class, properties },
        })
    }

    fn traits(&mut self, header: u32) -> Result<Traits, Error> {
        if header & 0b10 == 0 {
            let Some(traits) = self.traits.get((header >> 2) as usize) else {
                return self.cursor.malformed_before("AMF3 traits reference");
            };
            // A copy for two bytes of input: it is paid for like a text.
            let names: usize = traits.names.iter().map(|name| name.len() + 24).sum();
            self.budget.text(traits.class.len() + names)?;
            return Ok(traits.clone());
        }
        if header & 0b100 != 0 {
            // Externalizable: only the class knows how long it is.
            return self.cursor.malformed_before("AMF3 externalizable object");
        }
        let class = self.text()?;
        let mut names = Vec::new();
        for _ in 0..header >> 4 {
            self.budget.enter(0)?;
            names.push(self.text()?);
        }
        let traits = Traits { class, dynamic: header & 0b1000 != 0, names };
        self.traits.push(traits.clone());
        Ok(traits)
    }
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::amf::{Value, read_all};

    #[test]
    fn values_behind_the_avm_mark_are_read() {
        // { app: "live", n: -1, again: "live" } as an anonymous dynamic object.
        let object = [
            &[0x11, 0x0a, 0x0b, 0x01, 0x07][..],
            b"app\x06\x09live\x03n\x04\xff\xff\xff\xff\x0bagain\x06\x02\x01",
        ]
        .concat();
        let expected = Value::object([
            ("app", "live".into()),
            ("n", Value::Number(-1.0)),
            ("again", "live".into()),
        ]);
        assert_eq!(read_all(&object), Ok(vec![expected]));
    }

    #[test]
    fn integers_have_up_to_29_bits() {
        for (bytes, number) in [
            (&[0x11, 0x04, 0x7f][..], 127.0),
            (&[0x11, 0x04, 0x81, 0x00], 128.0),
            (&[0x11, 0x04, 0xbf, 0xff, 0xff, 0xff], 268_435_455.0),
            (&[0x11, 0x04, 0xc0, 0x80, 0x80, 0x00], -268_435_456.0),
        ] {
            assert_eq!(read_all(bytes), Ok(vec![Value::Number(number)]), "{bytes:x?}");
        }
    }

    #[test]
    fn repeated_references_do_not_multiply_a_text() {
        // An array of 100: a text of 8191 bytes, then 99 references to it.
        let text = vec![b'y'; 8191];
        let mut bytes = vec![0x11, 0x09, 0x81, 0x49, 0x01, 0x06, 0xff, 0x7f];
        bytes.extend(&text);
        bytes.extend([0x06, 0x00].repeat(99));
        let limit =
            |error| matches!(error, Err(Error::TooLarge { what: "AMF referenced text", .. }));
        assert!(limit(read_all(&bytes)), "{:?}", read_all(&bytes));
    }
}
