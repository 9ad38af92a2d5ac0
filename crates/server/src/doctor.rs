//! Checks a data directory and says what it finds.
//!
//! Read-only, and of use whether a server runs on the directory or not. Start reading at
//! [`examine`].

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use broker::QueueId;
use directory::{Failure, Inspection};
use serde::Serialize;

use crate::config::paths;
use crate::entries;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it is.
    pub severity: Severity,
    /// What it is: a part of the data directory.
    pub subject: String,
    /// What was found and, if something is wrong, what to do.
    pub message: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    Good,
    /// Worth knowing; the server starts.
    Warning,
    /// Broken: the server does not start, or something is lost.
    Broken,
}

/// All that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of looking.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Tells whether nothing is broken.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.broken() == 0
    }

    /// Counts what is broken.
    #[must_use]
    pub fn broken(&self) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Broken)
            .count()
    }

    fn add(&mut self, severity: Severity, subject: &str, message: impl Into<String>) {
        self.findings.push(Finding {
            severity,
            subject: subject.to_owned(),
            message: message.into(),
        });
    }
}

/// Examines a data directory; changes nothing.
///
/// *Errors*: none; what cannot be read is a finding.
#[must_use]
pub fn examine(data_dir: &Path) -> Report {
    let mut report = Report::default();
    if examine_place(data_dir, &mut report) {
        examine_entries(data_dir, &mut report);
        examine_accounts(data_dir, &mut report);
        examine_chat(data_dir, &mut report);
        examine_files(data_dir, &mut report);
        examine_messages(data_dir, &mut report);
        examine_certificate(data_dir, &mut report);
    }
    report
}

/// Looks at the directory itself; tells whether there is more to look at.
fn examine_place(data_dir: &Path, report: &mut Report) -> bool {
    let subject = data_dir.display().to_string();
    let metadata = match fs::metadata(data_dir) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = "does not exist yet; `chaski serve` makes it at first start";
            report.add(Severity::Warning, &subject, message);
            return false;
        }
        Err(error) => {
            report.add(
                Severity::Broken,
                &subject,
                format!("cannot be read: {error}"),
            );
            return false;
        }
    };
    if !metadata.is_dir() {
        let message = "is not a directory; move it away or name another one with --data";
        report.add(Severity::Broken, &subject, message);
        return false;
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        report.add(Severity::Good, &subject, "is open to its owner only");
    } else {
        let message = format!("other users can look into it (mode {mode:o}); chmod 700 closes it");
        report.add(Severity::Warning, &subject, message);
    }
    true
}

/// Looks for what keeps a server from starting, and for links and files of another user beside it.
fn examine_entries(data_dir: &Path, report: &mut Report) {
    let owner = fs::metadata(data_dir).map(|metadata| metadata.uid()).ok();
    for obstacle in owner
        .map(|owner| entries::obstacles(data_dir, owner))
        .unwrap_or_default()
    {
        let subject = obstacle.path.strip_prefix(data_dir).unwrap_or(data_dir);
        let message = format!("{}; {}", obstacle.problem, obstacle.remedy);
        report.add(Severity::Broken, &subject.display().to_string(), message);
    }
    // That it cannot be listed was said just now.
    for entry in fs::read_dir(data_dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else {
            continue;
        };
        if entries::is_known(&name) {
            continue;
        }
        if metadata.file_type().is_symlink() {
            let message = "is a symbolic link; put the file itself here";
            report.add(Severity::Broken, &name, message);
        } else if Some(metadata.uid()) != owner {
            let message = format!(
                "belongs to user {}, not to the owner of the directory",
                metadata.uid()
            );
            report.add(Severity::Warning, &name, message);
        }
    }
}

/// Checks the database of accounts and topology.
fn examine_accounts(data_dir: &Path, report: &mut Report) {
    let subject = "directory.sqlite";
    let path = paths::directory(data_dir);
    if let Some(counts) = examine_database(&path, subject, directory::inspect, report) {
        examine_topology(data_dir, report);
        let message = format!(
            "{} accounts, {} sessions, {} grants, {} virtual hosts, {} exchanges, {} queues, \
             {} bindings, {} policies, {} audit entries",
            counts.accounts,
            counts.sessions,
            counts.grants,
            counts.vhosts,
            counts.exchanges,
            counts.queues,
            counts.bindings,
            counts.policies,
            counts.audit
        );
        report.add(Severity::Good, subject, message);
    }
}

/// Checks the database of the chat.
fn examine_chat(data_dir: &Path, report: &mut Report) {
    let subject = "chat.sqlite";
    let path = paths::chat(data_dir);
    if let Some(counts) = examine_database(&path, subject, directory::chat::inspect, report) {
        let message = format!(
            "{} rooms, {} private conversations, {} messages, {} people, {} messages to be indexed",
            counts.rooms, counts.conversations, counts.messages, counts.people, counts.unindexed
        );
        report.add(Severity::Good, subject, message);
    }
}

/// Checks the database of the file index. Damage costs nothing but its links: the next start begins anew.
fn examine_files(data_dir: &Path, report: &mut Report) {
    let subject = "files.sqlite";
    let path = paths::files(data_dir);
    if let Some(counts) = examine_database(&path, subject, directory::files::inspect, report) {
        let message = format!(
            "{} peers, {} files, {} links, {} peers to be cleaned up after",
            counts.peers, counts.files, counts.links, counts.gone
        );
        report.add(Severity::Good, subject, message);
    }
}

/// Checks a database; what is in it is told if nothing is wrong and its schema is the current one.
fn examine_database<C>(
    path: &Path,
    subject: &str,
    inspect: impl FnOnce(&Path) -> Result<Inspection<C>, Failure>,
    report: &mut Report,
) -> Option<C> {
    if !path.exists() {
        let message = "does not exist yet; the first start makes it";
        report.add(Severity::Warning, subject, message);
        return None;
    }
    let inspection = match inspect(path) {
        Ok(inspection) => inspection,
        Err(failure) => {
            let message = crate::admin::with_causes(&failure);
            report.add(Severity::Broken, subject, message);
            return None;
        }
    };
    if inspection.schema_version > inspection.known_version {
        let message = format!(
            "was written by a later version (schema {}, this program knows {}); use that version",
            inspection.schema_version, inspection.known_version
        );
        report.add(Severity::Broken, subject, message);
    }
    for problem in &inspection.problems {
        report.add(Severity::Broken, subject, problem.as_str());
    }
    inspection.counts.filter(|_| inspection.problems.is_empty())
}

/// Looks for what is stored so that a server refuses to start with it.
fn examine_topology(data_dir: &Path, report: &mut Report) {
    match engine::unservable(data_dir) {
        Ok(found) => {
            for unservable in found {
                report.add(Severity::Broken, "directory.sqlite", unservable.to_string());
            }
        }
        Err(failure) => {
            let message = crate::admin::with_causes(&failure);
            report.add(Severity::Broken, "directory.sqlite", message);
        }
    }
}

/// Checks the message log: every checksum of journal and segments.
fn examine_messages(data_dir: &Path, report: &mut Report) {
    let subject = "messages";
    if !data_dir.join("journal").exists() {
        let message = "no journal yet; the first start makes it";
        report.add(Severity::Warning, subject, message);
        return;
    }
    let inspection = match engine::inspect(data_dir) {
        Ok(inspection) => inspection,
        Err(failure) => {
            report.add(
                Severity::Broken,
                subject,
                crate::admin::with_causes(&failure),
            );
            return;
        }
    };
    let damage_severity = if inspection.locked {
        let message = "a server runs on it: files may have changed while they were read";
        report.add(Severity::Warning, subject, message);
        Severity::Warning
    } else {
        Severity::Broken
    };
    for damage in &inspection.damage {
        report.add(damage_severity, subject, damage.to_string());
    }
    let sum = |counts: &mut dyn Iterator<Item = u64>| counts.fold(0, u64::saturating_add);
    // A queue has parts, and one of them no messages.
    let parts = || {
        let parts = inspection.queues.iter();
        parts.map(|part| (QueueId(part.queue.0), part))
    };
    let with_messages = parts().filter(|(id, _)| id.has_messages());
    let live = sum(&mut with_messages.map(|(_, part)| part.unsettled.saturating_add(part.settled)));
    let queues: BTreeSet<QueueId> = parts().map(|(id, _)| id.whole()).collect();
    let bytes = sum(&mut inspection
        .journal
        .iter()
        .map(|file| file.bytes)
        .chain(inspection.segments.iter().map(|segment| segment.bytes)));
    let message = format!(
        "{live} live in {} durable queues; {} journal files and {} segments, {bytes} bytes",
        queues.len(),
        inspection.journal.len(),
        inspection.segments.len()
    );
    report.add(Severity::Good, subject, message);
}

/// Checks the certificate that the server made for itself.
fn examine_certificate(data_dir: &Path, report: &mut Report) {
    let subject = "tls";
    match crate::tls::check_own(&data_dir.join(subject)) {
        Ok(true) => report.add(Severity::Good, subject, "certificate and key fit"),
        // The first start with TLS makes one.
        Ok(false) => {}
        Err(error) => report.add(Severity::Broken, subject, crate::admin::with_causes(&error)),
    }
}

#[cfg(test)]
mod tests;
