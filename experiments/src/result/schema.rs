use schemars::Schema;

use super::Outcome;

/// The JSON Schema of `result.json`, from the types themselves.
pub fn schema() -> Schema {
    let mut schema = schemars::schema_for!(Outcome);
    schema.insert("title".to_owned(), "nearcast result".into());
    schema
}
