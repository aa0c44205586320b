use toml::de::{DeTable, DeValue};

use crate::Error;

/// A TOML file's text, for errors that say where: topologies use it, and scenarios too.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    name: &'a str,
    text: &'a str,
}

impl<'a> Source<'a> {
    /// The file called `name` in messages, whose content is `text`.
    pub fn new(name: &'a str, text: &'a str) -> Source<'a> {
        Source { name, text }
    }

    /// What the file is called in messages.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// That what is written at byte `offset` is wrong.
    pub fn invalid(&self, offset: usize, message: &str) -> Error {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let field = self.field_at(offset);
        // A message that begins with the field's own name need not say it twice.
        let last = field.rsplit('.').next().unwrap_or_default();
        let message = message
            .strip_prefix(last)
            .and_then(|rest| rest.strip_prefix(": "))
            .filter(|_| !last.is_empty())
            .unwrap_or(message)
            .trim_end();
        Error::Invalid {
            file: self.name.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.to_owned(),
            field,
        }
    }

    /// The path of the innermost value around byte `offset`, such as `hosts[2].ip`.
    fn field_at(&self, offset: usize) -> String {
        let mut field = String::new();
        if let Ok(table) = DeTable::parse(self.text) {
            descend(table.get_ref(), offset, &mut field);
        }
        field
    }
}

fn descend(table: &DeTable<'_>, offset: usize, field: &mut String) {
    for (key, value) in table {
        let inside = value.span().contains(&offset) || key.span().contains(&offset);
        // The span of a table under a [header], or of an array of them, is not all that it holds.
        let length = field.len();
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(key.get_ref());
        let named = field.len();
        match value.get_ref() {
            DeValue::Table(inner) => descend(inner, offset, field),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let bare = field.len();
                    field.push_str(&format!("[{index}]"));
                    let numbered = field.len();
                    if let DeValue::Table(inner) = item.get_ref() {
                        descend(inner, offset, field);
                    }
                    if field.len() > numbered || item.span().contains(&offset) {
                        return;
                    }
                    field.truncate(bare);
                }
            }
            _ => {}
        }
        if field.len() > named || inside {
            return;
        }
        field.truncate(length);
    }
}
