//! The OpenAPI 3.1 description, whose schemas are those of the types that are answered.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// A description that grows by one path at a time.
pub(super) struct Document {
    answers: SchemaGenerator,
    paths: Map<String, Value>,
}

impl Document {
    pub(super) fn new() -> Document {
        // JSON Schema 2020-12 is what OpenAPI 3.1 speaks (OpenAPI 3.1.0, 4.8.24).
        let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Document { answers: settings.into_generator(), paths: Map::new() }
    }

    /// A path that takes a `Q` in its query and answers with a `T` as JSON.
    pub(super) fn json<Q: JsonSchema, T: JsonSchema>(&mut self, path: &str, summary: &str) {
        let schema = self.answers.subschema_for::<T>();
        let operation = json!({
            "summary": summary,
            "parameters": parameters::<Q>(),
            "responses": {
                "200": {
                    "description": summary,
                    "content": { "application/json": { "schema": schema } },
                },
                "400": problem("What is wrong with the question"),
                "401": problem("The token is missing or wrong, if there is one"),
                "503": problem("Too many ask at once, or it took too long; ask again"),
            },
        });
        self.paths.insert(path.to_owned(), json!({ "get": operation }));
    }

    /// A path that answers with something else.
    pub(super) fn other(&mut self, path: &str, summary: &str, content: &str) {
        let answer = json!({ "description": summary, "content": { content: {} } });
        let responses = json!({
            "200": answer,
            "401": problem("The token is missing or wrong, if there is one"),
            "503": problem("Too many ask or read at once; ask again"),
        });
        let operation = json!({ "summary": summary, "responses": responses });
        self.paths.insert(path.to_owned(), json!({ "get": operation }));
    }

    pub(super) fn finish(&mut self) -> Value {
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "nearcast-controller",
                "description": "What the controller knows. Nothing can be changed by it.",
                "version": env!("CARGO_PKG_VERSION"),
                "license": { "name": "MIT OR Apache-2.0" },
            },
            "paths": std::mem::take(&mut self.paths),
            // Without a token, or with it.
            "security": [{}, { "token": [] }],
            "components": {
                "schemas": self.answers.take_definitions(true),
                "securitySchemes": { "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Asked for if the controller was given --http-token-file",
                } },
            },
        })
    }
}

/// An answer that says what is wrong.
fn problem(description: &str) -> Value {
    json!({
        "description": description,
        "content": { "application/json": { "schema": {
            "type": "object",
            "required": ["error"],
            "properties": { "error": { "type": "string" } },
        } } },
    })
}

/// One parameter for each field.
fn parameters<Q: JsonSchema>() -> Vec<Value> {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<Q>();
    let fields = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let parameter = |(name, schema): (String, Value)| {
        let description = schema.get("description").cloned();
        json!({ "name": name, "in": "query", "description": description, "schema": schema })
    };
    fields.into_iter().map(parameter).collect()
}
