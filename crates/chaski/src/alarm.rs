//! `chaski alarm`.

use clap::{Subcommand, ValueEnum};
use server::admin::{Alarm, Request};

use crate::context::Context;
use crate::status;

/// Raise or clear an alarm by hand.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Clients that publish are told with connection.blocked, and with connection.unblocked when the last
alarm ends. One that the server raised by itself ends by itself.

Examples:
  chaski alarm set memory
  chaski alarm clear memory")]
pub(crate) enum AlarmCommand {
    /// Pause publishers until the alarm is cleared; consumers go on
    Set {
        /// Which alarm
        alarm: AlarmName,
    },
    /// Clear an alarm that was raised by hand
    Clear {
        /// Which alarm
        alarm: AlarmName,
    },
}

/// The alarms by the names that people type.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AlarmName {
    /// As if the process used too much memory
    Memory,
    /// As if the disk were nearly full
    Disk,
}

/// Raises or clears the alarm.
pub(crate) fn run(command: AlarmCommand, context: &Context) -> anyhow::Result<()> {
    let request = match command {
        AlarmCommand::Set { alarm } => Request::AlarmSet {
            alarm: alarm.into(),
        },
        AlarmCommand::Clear { alarm } => Request::AlarmClear {
            alarm: alarm.into(),
        },
    };
    status::change(context, &request)
}

impl From<AlarmName> for Alarm {
    fn from(name: AlarmName) -> Self {
        match name {
            AlarmName::Memory => Self::Memory,
            AlarmName::Disk => Self::Disk,
        }
    }
}
