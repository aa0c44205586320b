use crate::amf::read::mark;

/// A value of AMF0.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// 2.2
    Number(f64),
    /// 2.3
    Boolean(bool),
    /// 2.4 and, where longer than 65535 bytes, 2.14. Bytes that are not UTF-8 were replaced.
    String(String),
    /// 2.5
    Object(Vec<(String, Value)>),
    /// 2.7
    Null,
    /// 2.8
    Undefined,
    /// 2.9: the number of an object that came before. It is not looked up.
    Reference(u16),
    /// 2.10
    EcmaArray(Vec<(String, Value)>),
    /// 2.12
    StrictArray(Vec<Value>),
    /// 2.13: milliseconds since the Unix epoch, UTC. The time zone is reserved and ignored.
    Date(f64),
    /// 2.17
    Xml(String),
    /// 2.18
    Typed {
        /// The name of its class.
        class: String,
        /// Its properties.
        properties: Vec<(String, Value)>,
    },
}

impl Value {
    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The boolean, or what a number means as one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Boolean(value) => Some(*value),
            Value::Number(number) => Some(*number != 0.0),
            _ => None,
        }
    }

    /// The property `name` of an object, typed object or ECMA array.
    pub fn property(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(properties)
            | Value::EcmaArray(properties)
            | Value::Typed { properties, .. } => {
                properties.iter().find(|(key, _)| key == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// An object with `properties`.
    pub fn object<const N: usize>(properties: [(&str, Value); N]) -> Value {
        Value::Object(properties.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    }

    /// Writes the value in AMF0.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Value::Number(number) => {
                out.push(mark::NUMBER);
                out.extend(number.to_be_bytes());
            }
            Value::Boolean(value) => out.extend([mark::BOOLEAN, (*value).into()]),
            Value::String(text) => match u16::try_from(text.len()) {
                Ok(_) => {
                    out.push(mark::STRING);
                    encode_key(text, out);
                }
                Err(_) => encode_long(mark::LONG_STRING, text, out),
            },
            Value::Object(properties) => {
                out.push(mark::OBJECT);
                encode_properties(properties, out);
            }
            Value::Null => out.push(mark::NULL),
            Value::Undefined => out.push(mark::UNDEFINED),
            Value::Reference(number) => {
                out.push(mark::REFERENCE);
                out.extend(number.to_be_bytes());
            }
            Value::EcmaArray(properties) => {
                out.push(mark::ECMA_ARRAY);
                out.extend(len32(properties.len()).to_be_bytes());
                encode_properties(properties, out);
            }
            Value::StrictArray(values) => {
                out.push(mark::STRICT_ARRAY);
                out.extend(len32(values.len()).to_be_bytes());
                values.iter().for_each(|value| value.encode(out));
            }
            Value::Date(millis) => {
                out.push(mark::DATE);
                out.extend(millis.to_be_bytes());
                out.extend([0, 0]);
            }
            Value::Xml(text) => encode_long(mark::XML, text, out),
            Value::Typed { class, properties } => {
                out.push(mark::TYPED_OBJECT);
                encode_key(class, out);
                encode_properties(properties, out);
            }
        }
    }

    /// How many bytes [`encode`](Value::encode) writes.
    pub fn encoded_len(&self) -> usize {
        1 + match self {
            Value::Number(_) => 8,
            Value::Boolean(_) => 1,
            Value::String(text) if u16::try_from(text.len()).is_ok() => key_len(text),
            Value::String(text) | Value::Xml(text) => 4 + text.len(),
            Value::Object(properties) => properties_len(properties),
            Value::Null | Value::Undefined => 0,
            Value::Reference(_) => 2,
            Value::EcmaArray(properties) => 4 + properties_len(properties),
            Value::StrictArray(values) => 4 + values.iter().map(Value::encoded_len).sum::<usize>(),
            Value::Date(_) => 10,
            Value::Typed { class, properties } => key_len(class) + properties_len(properties),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::Number(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Boolean(value)
    }
}

fn len32(len: usize) -> u32 {
    u32::try_from(len).expect("a value of four billion elements does not fit in memory")
}

/// A key has no more than 65535 bytes; a longer one is cut at a character's border.
fn key_of(text: &str) -> &str {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn key_len(text: &str) -> usize {
    2 + key_of(text).len()
}

fn encode_key(text: &str, out: &mut Vec<u8>) {
    let text = key_of(text);
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

fn encode_long(mark: u8, text: &str, out: &mut Vec<u8>) {
    out.push(mark);
    out.extend(len32(text.len()).to_be_bytes());
    out.extend(text.as_bytes());
}

fn properties_len(properties: &[(String, Value)]) -> usize {
    properties.iter().map(|(key, value)| key_len(key) + value.encoded_len()).sum::<usize>() + 3
}

fn encode_properties(properties: &[(String, Value)], out: &mut Vec<u8>) {
    for (key, value) in properties {
        encode_key(key, out);
        value.encode(out);
    }
    out.extend([0, 0, mark::OBJECT_END]);
}
