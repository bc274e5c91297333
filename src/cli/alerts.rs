//! `mailplumb alerts`

use clap::Args;

use super::context::run;
use super::exit::{DONE, Failure, Outcome};
use super::{Format, Global, output};
use crate::store::Store;

/// List what a person should know
///
/// Newest first: operations that began to fail, were disabled or work again, and messages that a person has to look at.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mailplumb alerts --limit 20")]
pub struct Alerts {
    /// Print at most this many
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: u64,
    /// Print the alerts in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

impl Alerts {
    pub fn run(self, global: &Global) -> Outcome {
        let Some(store) = global.store_to_read()? else {
            return Err(Failure::new("nothing was applied yet").hint("run `mailplumb apply`"));
        };
        let alerts =
            run(tokio_util::sync::CancellationToken::new(), async { Ok(store.alerts(self.limit).await?) })?;
        match self.output {
            Format::Json => output::json(&alerts)?,
            Format::Text => {
                for alert in &alerts {
                    let subject = match (&alert.mailbox, &alert.operation) {
                        (Some(mailbox), Some(operation)) => format!("mailbox/{mailbox} {operation}"),
                        (Some(mailbox), None) => format!("mailbox/{mailbox}"),
                        (None, _) => {
                            alert.profile.as_ref().map_or_else(String::new, |name| format!("profile/{name}"))
                        }
                    };
                    output::data(&format!(
                        "{}  {:<11}  {:<22}  {subject}: {}\n    do: {}",
                        output::moment(alert.at),
                        alert.level.key(),
                        alert.code,
                        alert.cause,
                        alert.remedy
                    ))?;
                }
                output::talk(&format!("{} alerts", alerts.len()));
            }
        }
        Ok(DONE)
    }
}
