//! JSON schemas as rows of a table: every field with its place, its kind, its bounds and its meaning.

use serde_json::{Map, Value};

/// How deep fields inside fields are shown; a schema may hold itself.
const DEPTH_MAX: usize = 5;

/// One field of a body, or one parameter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Its name, with those of the fields that it is in: `settings.max_length`, `messages[].body`.
    pub(super) name: String,
    /// Where a parameter stands: path, query or header. Empty for a field.
    pub(super) place: String,
    pub(super) kind: String,
    pub(super) is_required: bool,
    pub(super) description: String,
    /// Its default and its bounds, each in a few words.
    pub(super) rules: Vec<String>,
}

/// The named schemas of a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schemas<'a>(Option<&'a Map<String, Value>>);

impl<'a> Schemas<'a> {
    pub(super) fn new(document: &'a Value) -> Self {
        Self(document["components"]["schemas"].as_object())
    }

    /// Reads a parameter.
    pub(super) fn parameter(&self, parameter: &Value) -> Field {
        let schema = &parameter["schema"];
        Field {
            name: parameter["name"].as_str().unwrap_or_default().to_owned(),
            place: parameter["in"].as_str().unwrap_or_default().to_owned(),
            kind: self.kind(schema),
            is_required: parameter["required"] == true,
            description: description(parameter),
            rules: self.rules(schema),
        }
    }

    /// Every field of an object or of an array's objects, also of the objects inside.
    pub(super) fn fields(&self, schema: &Value) -> Vec<Field> {
        let mut fields = Vec::new();
        self.collect(schema, "", 0, &mut fields);
        fields
    }

    fn collect(&self, schema: &Value, prefix: &str, depth: usize, fields: &mut Vec<Field>) {
        let schema = self.essence(schema);
        if depth > DEPTH_MAX {
            return;
        }
        if let Some(parts) = schema["allOf"].as_array() {
            for part in parts {
                self.collect(part, prefix, depth + 1, fields);
            }
        }
        if let Some(items) = schema.get("items") {
            self.collect(items, &format!("{prefix}[]"), depth + 1, fields);
        }
        let Some(properties) = schema["properties"].as_object() else {
            return;
        };
        let mut sorted: Vec<_> = properties.iter().collect();
        sorted.sort_by_key(|(name, _)| !is_required(schema, name));
        for (name, property) in sorted {
            let separator = if prefix.is_empty() { "" } else { "." };
            let full = format!("{prefix}{separator}{name}");
            let own = description(property);
            fields.push(Field {
                name: full.clone(),
                place: String::new(),
                kind: self.kind(property),
                is_required: is_required(schema, name),
                description: if own.is_empty() {
                    description(self.essence(property))
                } else {
                    own
                },
                rules: self.rules(property),
            });
            self.collect(property, &full, depth + 1, fields);
        }
    }

    /// What a schema is in a few words.
    pub(super) fn kind(&self, schema: &Value) -> String {
        self.kind_within(schema, 0)
    }

    fn kind_within(&self, schema: &Value, depth: usize) -> String {
        let schema = self.essence(schema);
        if depth > DEPTH_MAX {
            return "any".to_owned();
        }
        if let Some(ways) = alternatives(schema) {
            let kinds = ways.iter().map(|way| self.kind_within(way, depth + 1));
            let mut kinds: Vec<_> = kinds.collect();
            kinds.dedup();
            return kinds.join(" or ");
        }
        if let Some(items) = schema.get("items") {
            return format!("array of {}", self.kind_within(items, depth + 1));
        }
        let kind = match &schema["type"] {
            Value::String(kind) => kind.as_str(),
            Value::Array(kinds) => kinds
                .iter()
                .filter_map(Value::as_str)
                .find(|kind| *kind != "null")
                .unwrap_or("any"),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                let is_object = ["properties", "allOf"]
                    .iter()
                    .any(|key| schema.get(key).is_some());
                if is_object { "object" } else { "any" }
            }
        };
        match schema["format"].as_str() {
            Some(format @ ("binary" | "byte" | "date" | "date-time" | "uuid" | "uri")) => {
                format!("{kind} ({format})")
            }
            Some(_) | None => kind.to_owned(),
        }
    }

    /// The default and the bounds of a schema.
    fn rules(&self, schema: &Value) -> Vec<String> {
        let essence = self.essence(schema);
        let rule = |key: &str| {
            let value = schema.get(key).or_else(|| essence.get(key))?;
            (!value.is_null()).then_some(value)
        };
        let mut rules = Vec::new();
        if let Some(words) = rule("enum").and_then(Value::as_array) {
            let words: Vec<_> = words
                .iter()
                .filter(|word| !word.is_null())
                .map(quoted)
                .collect();
            rules.push(format!("one of {}", words.join(", ")));
        }
        // That no number is below zero needs no words.
        let least = rule("minimum").filter(|least| least.as_f64() != Some(0.0));
        let greatest = rule("maximum");
        match (least, greatest) {
            (Some(least), Some(greatest)) => {
                rules.push(format!("{} to {}", grouped(least), grouped(greatest)))
            }
            (Some(least), None) => rules.push(format!("at least {}", grouped(least))),
            (None, Some(greatest)) => rules.push(format!("at most {}", grouped(greatest))),
            (None, None) => {}
        }
        for (key, before, behind) in [
            ("minLength", "at least ", " characters"),
            ("maxLength", "at most ", " characters"),
            ("minItems", "at least ", " items"),
            ("maxItems", "at most ", " items"),
            ("pattern", "matches `", "`"),
        ] {
            if let Some(value) = rule(key) {
                let value = value.as_str().map_or_else(|| grouped(value), str::to_owned);
                rules.push(format!("{before}{value}{behind}"));
            }
        }
        if let Some(default) = rule("default").filter(|default| says_something(default)) {
            rules.push(format!("default {}", quoted(default)));
        }
        rules
    }

    /// Makes a value that fits: what must be there, and what has a default or an example.
    pub(super) fn example(&self, schema: &Value, name: &str) -> Value {
        self.example_within(schema, name, 0)
    }

    fn example_within(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let essence = self.essence(schema);
        let own = |key: &str| schema.get(key).or_else(|| essence.get(key));
        let given = own("example")
            .or_else(|| own("examples").and_then(|examples| examples.get(0)))
            .or_else(|| own("default").filter(|default| says_something(default)))
            .or_else(|| own("enum").and_then(|words| words.get(0)));
        if let Some(given) = given {
            return given.clone();
        }
        if depth > DEPTH_MAX {
            return Value::Null;
        }
        if let Some(ways) = alternatives(essence) {
            let first = ways.first();
            return first.map_or(Value::Null, |way| self.example_within(way, name, depth + 1));
        }
        if let Some(items) = essence.get("items") {
            return Value::Array(vec![self.example_within(items, name, depth + 1)]);
        }
        match self.kind(essence).split(' ').next() {
            Some("object") => self.example_object(essence, depth),
            // Half a minute is a duration that does something, whatever it is for.
            Some("integer" | "number") if name.ends_with("_ms") => 30_000.into(),
            Some("integer" | "number") => {
                let least = essence
                    .get("minimum")
                    .filter(|least| least.as_f64() != Some(0.0));
                least.cloned().unwrap_or_else(|| 1.into())
            }
            Some("boolean") => true.into(),
            Some(_) | None => name.to_uppercase().into(),
        }
    }

    fn example_object(&self, schema: &Value, depth: usize) -> Value {
        let mut all = Vec::new();
        self.properties(schema, 0, &mut all);
        let is_given = |property: &Value| {
            let has_example = ["example", "examples"]
                .iter()
                .any(|key| property.get(key).is_some());
            has_example || property.get("default").is_some_and(says_something)
        };
        let mut shown: Vec<_> = all
            .iter()
            .filter(|(_, property, is_required)| *is_required || is_given(property))
            .collect();
        if shown.iter().all(|(_, _, is_required)| !is_required) {
            // Something to begin with, where nothing has to be there.
            let body = all.iter().find(|(name, _, _)| *name == "body");
            let first = body.or_else(|| all.first());
            let is_new =
                first.is_some_and(|(name, _, _)| shown.iter().all(|known| known.0 != *name));
            shown.extend(first.filter(|_| is_new && (body.is_some() || shown.is_empty())));
        }
        let fields = shown.into_iter().map(|(name, property, _)| {
            let value = self.example_within(property, name, depth + 1);
            ((*name).to_owned(), value)
        });
        Value::Object(fields.collect())
    }

    /// The properties of an object and of what it is made of, and whether each must be there.
    fn properties<'b>(
        &self,
        schema: &'b Value,
        depth: usize,
        all: &mut Vec<(&'b str, &'b Value, bool)>,
    ) where
        'a: 'b,
    {
        let schema = self.essence(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            if depth < DEPTH_MAX {
                self.properties(part, depth + 1, all);
            }
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            all.push((name, property, is_required(schema, name)));
        }
    }

    /// Follows references, and looks through what only says that a value may be absent.
    fn essence<'b>(&self, schema: &'b Value) -> &'b Value
    where
        'a: 'b,
    {
        let mut schema = schema;
        for _ in 0..DEPTH_MAX {
            if let Some(reference) = schema["$ref"].as_str() {
                let name = reference.rsplit('/').next().unwrap_or_default();
                let Some(found) = self.0.and_then(|all| all.get(name)) else {
                    return &Value::Null;
                };
                schema = found;
                continue;
            }
            let ways = alternatives(schema);
            match ways.as_deref() {
                Some([only]) => schema = *only,
                Some(_) | None => return schema,
            }
        }
        schema
    }
}

fn is_required(schema: &Value, name: &str) -> bool {
    let required = schema["required"].as_array();
    required.is_some_and(|names| names.iter().any(|required| *required == *name))
}

/// Says whether a default is more than that there is nothing.
fn says_something(default: &Value) -> bool {
    match default {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// What a schema may be one of, `null` left out.
fn alternatives(schema: &Value) -> Option<Vec<&Value>> {
    let ways = schema.get("oneOf").or_else(|| schema.get("anyOf"))?;
    let ways = ways.as_array()?.iter();
    Some(ways.filter(|way| way["type"] != "null").collect())
}

fn description(described: &Value) -> String {
    let description = described["description"].as_str().unwrap_or_default();
    description.trim().to_owned()
}

/// A value as code.
fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Number(_) => grouped(value),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => format!("`{value}`"),
    }
}

/// A number with its thousands parted.
fn grouped(value: &Value) -> String {
    let digits = value.to_string();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits;
    }
    let mut parted = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            parted.push(',');
        }
        parted.push(digit);
    }
    parted
}
