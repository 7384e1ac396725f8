//! JSON lines: what `replay show --json` prints.

use clap::Args;
use reenact_trace::Reader;

use super::output::Output;
use super::{Common, ExportError, To};
use crate::commands::show::{self, Decoding};

/// JSON lines, one object for each message or event: the same that `replay show --json` prints.
///
/// `kind` says what a line is, `time_ns` when it was since the start, `event` its event, `process` and
/// `who` whose it is; messages have `peer`, `protocol`, `text`, `body` and the like.
#[derive(Args)]
pub struct Jsonl {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) to: To,
}

pub fn export(
    decoding: &Decoding,
    reader: &mut Reader,
    out: &mut Output,
) -> Result<(), ExportError> {
    Ok(show::json_lines(decoding, reader, out)?)
}
