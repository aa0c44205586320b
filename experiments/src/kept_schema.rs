//! The JSON Schemas in `docs/`, for readers who do not build this, as tests hold them to the types.

use std::path::PathBuf;

use schemars::Schema;

/// A schema by its file's name.
pub(crate) struct KeptSchema(pub(crate) &'static str);

impl KeptSchema {
    fn path(&self) -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")).join(self.0)
    }

    fn text(&self) -> String {
        let kept = std::fs::read_to_string(self.path());
        kept.unwrap_or_else(|error| panic!("docs/{}: {error}", self.0))
    }

    /// What tells whether a value fits it.
    pub(crate) fn validator(&self) -> jsonschema::Validator {
        let schema = serde_json::from_str(&self.text()).expect("it is JSON");
        jsonschema::validator_for(&schema).expect("it is a schema")
    }

    /// Fails if it is not the types' schema; writes it where that is asked for.
    pub(crate) fn assert_is(&self, schema: &Schema) {
        let mut text = serde_json::to_string_pretty(schema).expect("plain data");
        text.push('\n');
        if std::env::var_os("NEARCAST_WRITE_SCHEMA").is_some() {
            std::fs::write(self.path(), &text).expect("docs can be written");
        }
        assert!(
            self.text() == text,
            "docs/{} is out of date: NEARCAST_WRITE_SCHEMA=1 cargo test -p nearcast schema",
            self.0
        );
    }
}
