//! What the OpenAPI document says, read for people: operations by tag, with their parameters, bodies and answers.

use serde_json::Value;

use super::example;
use super::schema::{Field, Schemas};

/// The methods in the order in which a path's operations are shown.
const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];
/// How problem documents are told from other answers.
pub(super) const PROBLEM: &str = "application/problem+json";

/// Operations that belong together.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) operations: Vec<Operation>,
}

/// One thing that can be done.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) summary: String,
    pub(super) description: String,
    /// Nobody needs to log in for it.
    pub(super) is_open: bool,
    pub(super) is_deprecated: bool,
    pub(super) parameters: Vec<Field>,
    pub(super) body: Option<Content>,
    pub(super) answers: Vec<Answer>,
    pub(super) curl: String,
}

/// What a request or an answer carries.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) media_type: String,
    pub(super) kind: String,
    pub(super) description: String,
    pub(super) fields: Vec<Field>,
    pub(super) example: Option<Value>,
}

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: String,
    pub(super) description: String,
    pub(super) content: Option<Content>,
}

impl Operation {
    /// Names the operation in addresses.
    pub(super) fn anchor(&self) -> String {
        let mut anchor = self.method.to_owned();
        for character in self.path.chars() {
            if character.is_ascii_alphanumeric() {
                anchor.push(character.to_ascii_lowercase());
            } else if !anchor.ends_with('-') {
                anchor.push('-');
            }
        }
        anchor.trim_end_matches('-').to_owned()
    }
}

/// Reads all operations of the paths, by tag.
pub(super) fn groups(document: &Value, paths: &[&str]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let schemas = Schemas::new(document);
    for path in paths {
        let item = &document["paths"][path];
        for method in METHODS {
            let Some(described) = item.get(method) else {
                continue;
            };
            let operation = read(&schemas, document, method, path, item, described);
            let name = described["tags"][0].as_str().unwrap_or("other");
            match groups.iter_mut().find(|group| group.name == name) {
                Some(group) => group.operations.push(operation),
                None => groups.push(Group {
                    name: name.to_owned(),
                    description: tag_description(document, name),
                    operations: vec![operation],
                }),
            }
        }
    }
    let tags = document["tags"].as_array().map_or(&[][..], Vec::as_slice);
    let place = |group: &Group| tags.iter().position(|tag| tag["name"] == *group.name);
    // A tag that the document does not introduce comes last.
    groups.sort_by_key(|group| place(group).unwrap_or(tags.len()));
    groups
}

fn tag_description(document: &Value, name: &str) -> String {
    let tags = document["tags"].as_array();
    let tag = tags.into_iter().flatten().find(|tag| tag["name"] == *name);
    tag.map(|tag| text(&tag["description"])).unwrap_or_default()
}

fn read(
    schemas: &Schemas<'_>,
    document: &Value,
    method: &'static str,
    path: &str,
    item: &Value,
    described: &Value,
) -> Operation {
    let security = described
        .get("security")
        .or_else(|| document.get("security"));
    let ways = security.and_then(Value::as_array);
    // One way that asks for nothing is enough.
    let is_open = ways.is_none_or(|ways| {
        ways.is_empty()
            || ways
                .iter()
                .any(|way| way.as_object().is_none_or(serde_json::Map::is_empty))
    });
    let own = described["parameters"].as_array().into_iter().flatten();
    let shared = item["parameters"].as_array().into_iter().flatten();
    let mut parameters: Vec<_> = shared
        .chain(own)
        .map(|parameter| schemas.parameter(parameter))
        .collect();
    parameters.sort_by_key(|parameter| !parameter.is_required);
    let body = described
        .get("requestBody")
        .and_then(|body| content(schemas, body));
    let answers = described["responses"].as_object().into_iter().flatten();
    let answers = answers.map(|(status, answer)| Answer {
        status: status.clone(),
        description: text(&answer["description"]),
        content: content(schemas, answer),
    });
    let mut operation = Operation {
        method,
        path: path.to_owned(),
        summary: summary(described, method, path),
        description: text(&described["description"]),
        is_open,
        is_deprecated: described["deprecated"] == true,
        parameters,
        body,
        answers: answers.collect(),
        curl: String::new(),
    };
    operation.curl = example::curl(&operation);
    operation
}

fn summary(described: &Value, method: &str, path: &str) -> String {
    let summary = text(&described["summary"]);
    if summary.is_empty() {
        format!("{} {path}", method.to_uppercase())
    } else {
        summary
    }
}

fn content(schemas: &Schemas<'_>, carrier: &Value) -> Option<Content> {
    let (media_type, described) = carrier["content"].as_object()?.iter().next()?;
    let schema = &described["schema"];
    // Bytes are described as an array of numbers, which they are for nobody.
    let is_bytes = media_type == "application/octet-stream";
    let own = described.get("example").cloned();
    Some(Content {
        media_type: media_type.clone(),
        kind: if is_bytes {
            "bytes".to_owned()
        } else {
            schemas.kind(schema)
        },
        description: text(&carrier["description"]),
        fields: if is_bytes {
            Vec::new()
        } else {
            schemas.fields(schema)
        },
        example: own.or_else(|| (!is_bytes).then(|| schemas.example(schema, "value"))),
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim().to_owned()
}
