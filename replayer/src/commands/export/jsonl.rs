//! JSON lines: what `replay show --json` prints.

use reenact_trace::Reader;

use super::output::Output;
use super::ExportError;
use crate::commands::show::{self, Decoding};

pub fn export(
    decoding: &Decoding,
    reader: &mut Reader,
    out: &mut Output,
) -> Result<(), ExportError> {
    Ok(show::json_lines(decoding, reader, out)?)
}
