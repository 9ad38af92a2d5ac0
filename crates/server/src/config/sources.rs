//! Where settings come from and which source wins.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use confique::{Config as _, Layer as _};
use serde::Deserialize as _;
use toml::{Table, Value};

use super::nearest::nearest;
use super::schema::{self, Form, Key};
use super::{Config, ConfigError, FILE_NAME};

type ConfigLayer = <Config as confique::Config>::Layer;

/// What every variable of Chaski begins with.
const PREFIX: &str = "CHASKI_";

/// The file of variables in the working directory.
const DOT_ENV: &str = ".env";

/// Variables with the prefix that are no settings of the server: they belong to the command line
/// and to the test suites that start it.
const COMMAND_LINE_VARIABLES: &[&str] = &[
    "CHASKI_BIN",
    "CHASKI_CA",
    "CHASKI_CONFIG",
    "CHASKI_CONTEXT",
    "CHASKI_SERVER",
    "CHASKI_STATE",
    "CHASKI_TOKEN",
    "CHASKI_URL",
];

/// The sources of the settings, strongest first: `flags`, `environment`, the file, defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file named by `--config` or `CHASKI_CONFIG`; `None` = `DATA/chaski.toml` if it exists.
    pub file: Option<PathBuf>,
    /// Dotted keys and their texts from the command line; a later one wins.
    pub flags: Vec<(String, String)>,
    /// Environment variables; those without the prefix `CHASKI_` are ignored; a later one wins.
    pub environment: Vec<(String, String)>,
}

impl Sources {
    /// Collects the environment of this process and the `.env` file of the working directory.
    ///
    /// The process environment wins over the file and is not changed.
    ///
    /// *Errors*: a `.env` file that cannot be read or understood, a variable that is not UTF-8.
    pub fn from_process() -> Result<Self, ConfigError> {
        let mut environment = read_dot_env(Path::new(DOT_ENV))?;
        for (name, value) in env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            let Some(value) = value.to_str() else {
                return Err(ConfigError::Invalid {
                    origin: "environment".to_owned(),
                    key: name.to_owned(),
                    message: "the value is not UTF-8 text".to_owned(),
                });
            };
            environment.push((name.to_owned(), value.to_owned()));
        }
        let file = environment
            .iter()
            .rev()
            .find(|(name, value)| name == "CHASKI_CONFIG" && !value.is_empty())
            .map(|(_, value)| PathBuf::from(value));
        Ok(Self {
            file,
            flags: Vec::new(),
            environment,
        })
    }

    /// Merges all sources into the settings, without checking relations between them.
    pub(super) fn resolve(&self) -> Result<Config, ConfigError> {
        let keys = schema::keys();
        let flags = from_flags(&keys, &self.flags)?;
        let environment = from_environment(&keys, &self.environment)?;
        let strong = flags.with_fallback(environment);
        let default = ConfigLayer::default_values();

        let file = match &self.file {
            Some(path) => from_file(&keys, path)?,
            None => {
                let data = strong.data.as_ref().or(default.data.as_ref());
                let path = data.map(|data| data.join(FILE_NAME));
                match path.filter(|path| path.exists()) {
                    Some(path) => inside_data(from_file(&keys, &path)?, &path)?,
                    None => ConfigLayer::empty(),
                }
            }
        };
        Config::from_layer(strong.with_fallback(file).with_fallback(default)).map_err(|error| {
            ConfigError::Invalid {
                origin: "settings".to_owned(),
                key: "(all)".to_owned(),
                message: error.to_string(),
            }
        })
    }
}

/// Refuses `data` in a file that was found by it.
fn inside_data(layer: ConfigLayer, path: &Path) -> Result<ConfigLayer, ConfigError> {
    if layer.data.is_none() {
        return Ok(layer);
    }
    Err(ConfigError::Invalid {
        origin: path.display().to_string(),
        key: "data".to_owned(),
        message: "a file inside the data directory cannot move it; use --data, CHASKI_DATA or \
                  a file named with --config"
            .to_owned(),
    })
}

fn read_dot_env(path: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    let wrong = |message: String| ConfigError::DotEnv {
        path: path.to_owned(),
        message,
    };
    let lines = match dotenvy::from_path_iter(path) {
        Ok(lines) => lines,
        Err(dotenvy::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(wrong(error.to_string())),
    };
    let mut found = Vec::new();
    for line in lines {
        // The line itself may hold somebody's secret: name the position only.
        let (name, value) = line.map_err(|_| {
            wrong(format!(
                "the line after `{}` is not NAME=VALUE",
                found
                    .last()
                    .map_or("the beginning", |(name, _): &(String, String)| name
                        .as_str())
            ))
        })?;
        if name.starts_with(PREFIX) {
            found.push((name, value));
        }
    }
    Ok(found)
}

fn from_flags(keys: &[Key], flags: &[(String, String)]) -> Result<ConfigLayer, ConfigError> {
    let mut merged: BTreeMap<&str, (&Key, &str)> = BTreeMap::new();
    for (name, text) in flags {
        let Some(key) = keys.iter().find(|key| key.path == *name) else {
            return Err(unknown_key("command line", name, keys));
        };
        merged.insert(&key.path, (key, text));
    }
    merge(merged.into_values().map(|(key, text)| {
        let origin = "command line".to_owned();
        (key, text, origin)
    }))
}

fn from_environment(
    keys: &[Key],
    variables: &[(String, String)],
) -> Result<ConfigLayer, ConfigError> {
    let mut merged: BTreeMap<&str, (&Key, &str)> = BTreeMap::new();
    for (name, text) in variables {
        if !name.starts_with(PREFIX) || COMMAND_LINE_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        let Some(key) = keys.iter().find(|key| key.variable == Some(name.as_str())) else {
            // Without the prefix: it would make all of them near.
            let known = keys
                .iter()
                .filter_map(|key| key.variable?.strip_prefix(PREFIX));
            let wanted = name.strip_prefix(PREFIX).unwrap_or(name);
            return Err(ConfigError::Unknown {
                origin: "environment".to_owned(),
                name: name.clone(),
                suggestion: nearest(wanted, known).map(|near| format!("{PREFIX}{near}")),
            });
        };
        if text.is_empty() {
            // An empty variable is the usual way to unset one in a script.
            merged.remove(key.path.as_str());
        } else {
            merged.insert(&key.path, (key, text));
        }
    }
    merge(merged.into_values().map(|(key, text)| {
        let origin = key.variable.unwrap_or("environment").to_owned();
        (key, text, origin)
    }))
}

/// Turns texts into one layer, each checked by itself so that its error names its source.
fn merge<'a>(
    entries: impl Iterator<Item = (&'a Key, &'a str, String)>,
) -> Result<ConfigLayer, ConfigError> {
    let mut layer = ConfigLayer::empty();
    for (key, text, origin) in entries {
        let invalid = |message: String| ConfigError::Invalid {
            origin: origin.clone(),
            key: key.path.clone(),
            message,
        };
        let value = value_of(key.form, text).map_err(invalid)?;
        let one = ConfigLayer::deserialize(nested(&key.path, value))
            .map_err(|error| invalid(error.message().to_owned()))?;
        layer = one.with_fallback(layer);
    }
    Ok(layer)
}

fn value_of(form: Form, text: &str) -> Result<Value, String> {
    match form {
        Form::Text => Ok(Value::String(text.to_owned())),
        Form::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Value::Boolean(true)),
            "false" | "no" | "off" | "0" => Ok(Value::Boolean(false)),
            _ => Err(format!("`{text}` is neither true nor false")),
        },
        Form::Integer => text
            .replace('_', "")
            .parse()
            .map(Value::Integer)
            .map_err(|_| format!("`{text}` is not a whole number")),
        Form::Float => text
            .parse()
            .map(Value::Float)
            .map_err(|_| format!("`{text}` is not a number")),
    }
}

/// Wraps a value in the tables of its dotted key.
fn nested(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |inner, name| {
        let mut table = Table::new();
        table.insert(name.to_owned(), inner);
        Value::Table(table)
    })
}

fn from_file(keys: &[Key], path: &Path) -> Result<ConfigLayer, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let syntax = |message: String| ConfigError::Syntax {
        path: path.to_owned(),
        message,
    };
    let table: Table = toml::from_str(&text).map_err(|error| syntax(error.to_string()))?;
    refuse_unknown(&path.display().to_string(), keys, "", &table)?;
    // From the text again: only then does an error show the line.
    toml::from_str(&text).map_err(|error| syntax(error.to_string()))
}

fn refuse_unknown(
    origin: &str,
    keys: &[Key],
    prefix: &str,
    table: &Table,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let path = format!("{prefix}{name}");
        if keys.iter().any(|key| key.path == path) {
            continue;
        }
        let inner = format!("{path}.");
        let is_section = keys.iter().any(|key| key.path.starts_with(&inner));
        let section = value.as_table().filter(|_| is_section);
        let section = section.ok_or_else(|| unknown_key(origin, &path, keys))?;
        refuse_unknown(origin, keys, &inner, section)?;
    }
    Ok(())
}

/// Suggests a key by its whole name, or by its last part when the section is wrong.
fn unknown_key(origin: &str, name: &str, keys: &[Key]) -> ConfigError {
    let whole = nearest(name, keys.iter().map(|key| key.path.as_str()));
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let wanted = last(name);
    let suggestion = whole.map(str::to_owned).or_else(|| {
        keys.iter()
            .find(|key| last(&key.path) == wanted)
            .map(|key| key.path.clone())
    });
    ConfigError::Unknown {
        origin: origin.to_owned(),
        name: name.to_owned(),
        suggestion,
    }
}
