//! `chaski config`.

use clap::Args;
use server::config::Config;

use crate::context::Context;
use crate::output;
use crate::serve::parse_setting;

/// Print the configuration.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chaski config > data/chaski.toml      a file to edit, every key explained
  chaski config --effective             what a server started here and now would use")]
pub(crate) struct ConfigArgs {
    /// Print the values in effect instead of the commented default file; secrets are redacted
    #[arg(long)]
    effective: bool,

    /// Any setting, as for `chaski serve`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_setting, requires = "effective")]
    settings: Vec<(String, String)>,
}

/// Prints the default file or the values in effect.
pub(crate) fn run(args: ConfigArgs, context: &Context) -> anyhow::Result<()> {
    if args.effective {
        let config = context.config(args.settings)?;
        if context.json {
            return output::json(&config.effective());
        }
        output::raw(&config.effective_toml())?;
    } else {
        output::raw(&Config::default_file())?;
    }
    Ok(())
}
