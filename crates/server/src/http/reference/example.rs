//! Requests to copy: one `curl` command for every operation.

use super::operation::{Content, Operation};
use super::schema::Field;

/// A name for the queue of examples, the same as in other places.
const QUEUE: &str = "hello";

/// Writes the command. The address and the login are variables of the shell, as the page explains.
pub(super) fn curl(operation: &Operation) -> String {
    let mut words = vec!["curl".to_owned()];
    if !operation.is_open {
        words.push("-u \"$LOGIN\"".to_owned());
    }
    let body = operation.body.as_ref();
    let method = operation.method.to_uppercase();
    let is_implied = method == "GET" || (method == "POST" && body.is_some());
    if !is_implied {
        words.push(format!("-X {method}"));
    }
    words.push(format!("\"$CHASKI{}\"", address(operation)));
    let mut command = words.join(" ");
    if let Some(body) = body {
        command.push_str(" \\\n  ");
        command.push_str(&body_of(body));
    }
    command
}

fn address(operation: &Operation) -> String {
    let mut path = operation.path.clone();
    for parameter in &operation.parameters {
        let sample = sample(parameter);
        for form in [
            format!("{{{}}}", parameter.name),
            format!("{{*{}}}", parameter.name),
        ] {
            path = path.replace(&form, &sample);
        }
    }
    let required = operation
        .parameters
        .iter()
        .filter(|parameter| parameter.place == "query" && parameter.is_required);
    let query: Vec<_> = required
        .map(|parameter| format!("{}={}", parameter.name, sample(parameter)))
        .collect();
    if query.is_empty() {
        path
    } else {
        format!("{path}?{}", query.join("&"))
    }
}

fn sample(parameter: &Field) -> String {
    match (parameter.name.as_str(), parameter.kind.as_str()) {
        ("queue", _) => QUEUE.to_owned(),
        (_, "integer") => "1".to_owned(),
        (name, _) => name.to_uppercase(),
    }
}

fn body_of(body: &Content) -> String {
    match &body.example {
        Some(example) if body.media_type.ends_with("json") => format!(
            "-H 'Content-Type: {}' -d {}",
            body.media_type,
            in_quotes(&example.to_string())
        ),
        Some(_) | None => "-H 'Content-Type: text/plain' -d 'Hello World!'".to_owned(),
    }
}

/// Quotes a word for the shell.
fn in_quotes(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
