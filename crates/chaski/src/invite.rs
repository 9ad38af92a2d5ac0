//! `chaski invite`: links by which people make accounts.

use std::io::{self, IsTerminal as _};

use clap::Args;
use server::admin::{Request, Response};

use crate::context::Context;
use crate::number::parse_time;
use crate::output;
use crate::status::{ask, unexpected};

/// Make an invitation.
#[derive(Debug, Args)]
#[command(after_help = "\
The link opens the page where whoever has it makes an account; on a terminal it is drawn as a QR code
for a telephone, too. It is shown this once. The server has to run.

Examples:
  chaski invite                             one account, within a week
  chaski invite --uses 30 --ttl 2h          a class
  chaski invite --administrator             one administrator, within a day")]
pub(crate) struct InviteArgs {
    /// How many accounts may be made with it, up to 10000 [default: 1]
    #[arg(long, value_name = "N")]
    uses: Option<u32>,

    /// How long it holds: a number with s, min, h or d [default: 7d; 24h for an administrator]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    ttl: Option<u64>,

    /// The account is an administrator's
    #[arg(long)]
    administrator: bool,
}

/// Makes an invitation and prints its link.
pub(crate) fn run(args: &InviteArgs, context: &Context) -> anyhow::Result<()> {
    let request = Request::Invite {
        uses: args.uses,
        ttl_ms: args.ttl,
        administrator: args.administrator,
    };
    let Response::Invited(invited) = ask(context, &request)? else {
        return Err(unexpected());
    };
    if context.json {
        return output::json(&invited);
    }
    let Some(link) = &invited.link else {
        output::note("HTTP listens nowhere, so there is no link; this is the code alone.");
        return Ok(output::line(&invited.code)?);
    };
    output::line(link)?;
    if io::stdout().is_terminal() {
        let drawing = server::qr_code(link, output::is_coloured());
        output::raw(&drawing.unwrap_or_default())?;
    }
    Ok(())
}
