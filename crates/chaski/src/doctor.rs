//! `chaski doctor`.

use server::doctor::{self, Severity};

use crate::context::Context;
use crate::exit::{CommandError, Exit};
use crate::output;

/// Examines the data directory and prints what is found; fails if something is broken.
pub(crate) fn run(context: &Context) -> anyhow::Result<()> {
    let data_dir = context.data_dir()?;
    let report = doctor::examine(&data_dir);
    if context.json {
        output::json(&report)?;
    } else {
        for finding in &report.findings {
            let mark = match finding.severity {
                Severity::Good => "ok   ",
                Severity::Warning => "note ",
                Severity::Broken => "BAD  ",
            };
            output::line(&format!("{mark} {}: {}", finding.subject, finding.message))?;
        }
    }
    if report.is_sound() {
        return Ok(());
    }
    let message = format!(
        "{} has {} broken part(s); nothing was changed",
        data_dir.display(),
        report.broken()
    );
    Err(CommandError::new(Exit::Failed, message).into())
}
