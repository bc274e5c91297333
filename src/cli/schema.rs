//! `mailplumb schema`

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::exit::{self, DONE, Outcome};
use super::{
    alerts, approve, describe, doctor, explain, get, history, messages, outbox, output, report, secrets,
    state, status, sync, validate,
};
use crate::manifest;

/// Print a JSON Schema: of the manifest, for editors, or of what a command prints as JSON
///
/// Editors with a YAML language server complete and check manifests with the first one; programs that read this program's output
/// are checked with the others.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb schema > mailplumb.schema.json\n  mailplumb schema status\n  \
                        # first line of a manifest: # yaml-language-server: $schema=mailplumb.schema.json"
)]
pub struct Schema {
    /// Of what
    #[arg(value_name = "DOCUMENT", default_value = "manifest")]
    of: Described,
}

/// Every document with a schema, in `schema/<name>.schema.json` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Described {
    /// A document of a manifest
    Manifest,
    /// A document of a later layer of a manifest
    Overlay,
    /// `plan --output json`
    Plan,
    /// `apply --output json`
    Apply,
    /// `test --output json`
    Test,
    /// `sync --output json`
    Sync,
    /// `status --output json`
    Status,
    /// `get --output json`
    Get,
    /// `describe --output json`
    Describe,
    /// `explain --output json`
    Explain,
    /// `history --output json`
    History,
    /// `state list --output json`
    StateList,
    /// `state show --output json`
    StateShow,
    /// `messages --output json`
    Messages,
    /// `messages show --output json`
    Message,
    /// `outbox list --output json`, and of `retry`, `mark-sent` and `cancel`
    Outbox,
    /// `outbox show ID --output json`
    OutboxMessage,
    /// `alerts --output json`
    Alerts,
    /// `doctor --output json`
    Doctor,
    /// `secrets check --output json`
    SecretsCheck,
    /// `validate --output json`
    Validate,
    /// `approve --output json`
    Approve,
    /// Any command with `--output json` that fails before it has anything else to print
    Failure,
}

impl Described {
    fn schema(self) -> Value {
        match self {
            Self::Manifest => manifest::for_editors(manifest::schema()),
            Self::Overlay => manifest::for_editors(manifest::overlay_schema()),
            Self::Plan => crate::plan::render::schema().to_value(),
            Self::Apply => of::<report::ApplyDocument>(),
            Self::Test => of::<report::TestDocument>(),
            Self::Sync => of::<sync::Document>(),
            Self::Status => of::<status::Document>(),
            Self::Get => of::<get::Document>(),
            Self::Describe => of::<describe::Document>(),
            Self::Explain => of::<explain::Document<'_>>(),
            Self::History => of::<history::Document>(),
            Self::StateList => of::<state::ListDocument>(),
            Self::StateShow => of::<state::ShowDocument>(),
            Self::Messages => of::<messages::ListDocument>(),
            Self::Message => of::<messages::OneDocument>(),
            Self::Outbox => of::<outbox::Document>(),
            Self::Doctor => of::<doctor::Document>(),
            Self::OutboxMessage => of::<outbox::OneDocument>(),
            Self::Alerts => of::<alerts::Document>(),
            Self::Approve => of::<approve::Document>(),
            Self::Validate => of::<validate::Document<'static>>(),
            Self::Failure => of::<exit::FailureDocument<'static>>(),
            Self::SecretsCheck => of::<secrets::CheckDocument<'static>>(),
        }
    }
}

/// Draft 2020-12, of what is written: every member is always there unless the schema says otherwise.
fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}

impl Schema {
    pub fn run(self) -> Outcome {
        output::json(&self.of.schema())?;
        Ok(DONE)
    }
}
