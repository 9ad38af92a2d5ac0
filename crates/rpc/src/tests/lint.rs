//! The rules that files in `proto/` keep: everything is documented, and names are what the Protocol Buffers style asks for.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, ServiceDescriptorProto,
};

/// The numbers by which a descriptor's own description names its parts.
mod part {
    pub(super) const FILE_MESSAGE: i32 = 4;
    pub(super) const FILE_ENUM: i32 = 5;
    pub(super) const FILE_SERVICE: i32 = 6;
    pub(super) const FILE_SYNTAX: i32 = 12;
    pub(super) const MESSAGE_FIELD: i32 = 2;
    pub(super) const MESSAGE_MESSAGE: i32 = 3;
    pub(super) const MESSAGE_ENUM: i32 = 4;
    pub(super) const MESSAGE_ONEOF: i32 = 8;
    pub(super) const ENUM_VALUE: i32 = 2;
    pub(super) const SERVICE_METHOD: i32 = 2;
}

/// Says what breaks a rule, one sentence each; nothing when all is well.
pub(super) fn findings(set: &FileDescriptorSet) -> Vec<String> {
    let mut findings = Vec::new();
    for file in &set.file {
        let mut linter = Linter {
            comments: comments(file),
            findings: Vec::new(),
        };
        linter.file(file);
        findings.append(&mut linter.findings);
    }
    unpaired(set, &mut findings);
    findings
}

/// The comments that stand before each part of a file, by the part's path.
fn comments(file: &FileDescriptorProto) -> BTreeMap<Vec<i32>, String> {
    let info = file.source_code_info.iter();
    info.flat_map(|info| &info.location)
        .filter_map(|location| {
            let comment = location.leading_comments.as_deref()?;
            Some((location.path.clone(), comment.trim().to_owned()))
        })
        .collect()
}

/// Finds requests and responses that no method has, or more than one.
fn unpaired(set: &FileDescriptorSet, findings: &mut Vec<String>) {
    let methods = set.file.iter().flat_map(|file| &file.service);
    let mut used = BTreeSet::new();
    for method in methods.flat_map(|service| &service.method) {
        for name in [method.input_type(), method.output_type()] {
            if !used.insert(last(name)) {
                findings.push(format!("{}: used by two methods", last(name)));
            }
        }
    }
    for message in set.file.iter().flat_map(|file| &file.message_type) {
        let name = message.name();
        let is_end = name.ends_with("Request") || name.ends_with("Response");
        if is_end && !used.contains(name) {
            findings.push(format!("{name}: used by no method"));
        }
    }
}

struct Linter {
    comments: BTreeMap<Vec<i32>, String>,
    findings: Vec<String>,
}

impl Linter {
    fn require(&mut self, is_met: bool, name: &str, rule: &str) {
        if !is_met {
            self.findings.push(format!("{name}: {rule}"));
        }
    }

    /// Requires a comment of whole sentences before the part.
    fn documented(&mut self, name: &str, path: &[i32]) {
        let comment = self.comments.get(path).map_or("", String::as_str);
        let is_met = comment.ends_with('.');
        self.require(is_met, name, "no comment of whole sentences before it");
    }

    fn file(&mut self, file: &FileDescriptorProto) {
        let name = file.name();
        self.documented(name, &[part::FILE_SYNTAX]);
        self.require(file.syntax() == "proto3", name, "not proto3");
        let package = file.package();
        let (folder, leaf) = name.rsplit_once('/').unwrap_or(("", name));
        let is_met = folder == package.replace('.', "/");
        self.require(is_met, name, "not in the folder of its package");
        let stem = leaf.strip_suffix(".proto").unwrap_or_default();
        self.require(is_snake(stem), name, "not lower_snake_case.proto");
        let version = last(package).strip_prefix('v').unwrap_or_default();
        let is_met = version.parse::<u32>().is_ok();
        self.require(is_met, name, "its package has no version");

        for (index, message) in (0..).zip(&file.message_type) {
            self.message(message, "", &[part::FILE_MESSAGE, index]);
        }
        for (index, kind) in (0..).zip(&file.enum_type) {
            self.enumeration(kind, "", &[part::FILE_ENUM, index]);
        }
        for (index, service) in (0..).zip(&file.service) {
            self.service(service, stem, &[part::FILE_SERVICE, index]);
        }
    }

    fn message(&mut self, message: &DescriptorProto, parent: &str, path: &[i32]) {
        // Entries of maps are made by the compiler.
        if message.options.as_ref().is_some_and(|it| it.map_entry()) {
            return;
        }
        let name = format!("{parent}{}", message.name());
        self.documented(&name, path);
        self.require(is_camel(message.name()), &name, "not UpperCamelCase");
        let inside = format!("{name}.");
        for (index, field) in (0..).zip(&message.field) {
            self.field(field, &inside, &below(path, part::MESSAGE_FIELD, index));
        }
        for (index, oneof) in (0..).zip(&message.oneof_decl) {
            // So are those of optional fields.
            let is_made = message
                .field
                .iter()
                .any(|field| field.oneof_index == Some(index) && field.proto3_optional());
            if !is_made {
                let name = format!("{inside}{}", oneof.name());
                self.documented(&name, &below(path, part::MESSAGE_ONEOF, index));
                self.require(is_snake(oneof.name()), &name, "not lower_snake_case");
            }
        }
        for (index, nested) in (0..).zip(&message.nested_type) {
            self.message(nested, &inside, &below(path, part::MESSAGE_MESSAGE, index));
        }
        for (index, kind) in (0..).zip(&message.enum_type) {
            self.enumeration(kind, &inside, &below(path, part::MESSAGE_ENUM, index));
        }
    }

    fn field(&mut self, field: &FieldDescriptorProto, parent: &str, path: &[i32]) {
        let name = format!("{parent}{}", field.name());
        self.documented(&name, path);
        self.require(is_snake(field.name()), &name, "not lower_snake_case");
        let comment = self.comments.get(path).map_or("", String::as_str);
        let is_met =
            !field.name().ends_with("_ms") || comment.to_lowercase().contains("millisecond");
        self.require(is_met, &name, "its comment does not name its unit");
    }

    fn enumeration(&mut self, kind: &EnumDescriptorProto, parent: &str, path: &[i32]) {
        let name = format!("{parent}{}", kind.name());
        self.documented(&name, path);
        self.require(is_camel(kind.name()), &name, "not UpperCamelCase");
        let prefix = upper_snake(kind.name());
        let zero = format!("{prefix}_UNSPECIFIED");
        let first = kind.value.first();
        let is_met = first.is_some_and(|first| first.number() == 0 && first.name() == zero);
        self.require(is_met, &name, "its first value is not _UNSPECIFIED = 0");
        for (index, value) in (0..).zip(&kind.value) {
            let name = format!("{name}.{}", value.name());
            self.documented(&name, &below(path, part::ENUM_VALUE, index));
            let rest = value.name().strip_prefix(&format!("{prefix}_"));
            let is_met = rest.is_some_and(|rest| is_snake(&rest.to_lowercase()))
                && value.name() == value.name().to_uppercase();
            self.require(is_met, &name, "not UPPER_SNAKE_CASE with the enum's prefix");
        }
    }

    fn service(&mut self, service: &ServiceDescriptorProto, stem: &str, path: &[i32]) {
        let name = service.name();
        self.documented(name, path);
        let is_met = is_camel(name) && name.ends_with("Service");
        self.require(is_met, name, "not UpperCamelCase with the suffix Service");
        let is_met = upper_snake(name).to_lowercase() == stem;
        self.require(is_met, name, "not in the file of its name");
        for (index, method) in (0..).zip(&service.method) {
            let whole = format!("{name}.{}", method.name());
            self.documented(&whole, &below(path, part::SERVICE_METHOD, index));
            self.require(is_camel(method.name()), &whole, "not UpperCamelCase");
            let is_met = last(method.input_type()) == format!("{}Request", method.name());
            self.require(is_met, &whole, "its request is not named after it");
            let is_met = last(method.output_type()) == format!("{}Response", method.name());
            self.require(is_met, &whole, "its response is not named after it");
        }
    }
}

fn below(path: &[i32], part: i32, index: i32) -> Vec<i32> {
    [path, &[part, index]].concat()
}

/// The last word of a name with dots.
fn last(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}

/// Whether a name is lower_snake_case, with digits only inside words.
fn is_snake(name: &str) -> bool {
    name.split('_').all(|word| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    })
}

/// Whether a name is UpperCamelCase, which has no two capitals in a row.
fn is_camel(name: &str) -> bool {
    let is_two = |pair: &[u8]| pair.iter().all(u8::is_ascii_uppercase);
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
        && !name.as_bytes().windows(2).any(is_two)
}

/// UpperCamelCase as UPPER_SNAKE_CASE.
fn upper_snake(name: &str) -> String {
    let mut upper = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !upper.is_empty() {
            upper.push('_');
        }
        upper.push(c.to_ascii_uppercase());
    }
    upper
}
