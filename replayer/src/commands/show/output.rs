//! Where lines go: standard output, a pager in front of a terminal, or a writer of somebody else's.

use std::env;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::{Child, Command, Stdio};

use super::{Color, Show};

enum Sink<'a> {
    Plain(BufWriter<Box<dyn Write + 'a>>),
    Pager(Child),
}

pub struct Output<'a> {
    sink: Sink<'a>,
    pub colour: bool,
    lines: u64,
}

impl<'a> Output<'a> {
    pub fn new(args: &Show) -> Output<'a> {
        let terminal = io::stdout().is_terminal();
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = match args.color {
            Color::Auto => terminal && !no_color && !args.json,
            Color::Always => !args.json,
            Color::Never => false,
        };
        let pager = (terminal && !args.no_pager && !args.json)
            .then(pager)
            .flatten();
        let sink = match pager {
            Some(child) => Sink::Pager(child),
            None => Sink::Plain(BufWriter::new(Box::new(io::stdout().lock()))),
        };
        Output {
            sink,
            colour,
            lines: 0,
        }
    }

    /// To a writer, in plain text.
    pub fn to(out: &'a mut dyn Write) -> Output<'a> {
        Output {
            sink: Sink::Plain(BufWriter::new(Box::new(out))),
            colour: false,
            lines: 0,
        }
    }

    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.lines += 1;
        let first = self.lines == 1;
        match &mut self.sink {
            Sink::Plain(out) => {
                writeln!(out, "{text}")?;
                // Whoever waits sees at once that something comes.
                if first {
                    out.flush()?;
                }
                Ok(())
            }
            Sink::Pager(child) => match &mut child.stdin {
                Some(out) => writeln!(out, "{text}"),
                None => Ok(()),
            },
        }
    }

    /// Writes what is held back, and waits until the reader has finished with it.
    pub fn finish(self) -> io::Result<()> {
        match self.sink {
            Sink::Plain(mut out) => out.flush(),
            Sink::Pager(mut child) => {
                drop(child.stdin.take());
                child.wait().map(|_| ())
            }
        }
    }
}

/// The pager, unless there is none or it was turned off by an empty $PAGER.
fn pager() -> Option<Child> {
    let words = env::var("PAGER").unwrap_or_else(|_| "less -R".to_owned());
    let mut words = words.split_whitespace();
    let program = words.next().filter(|program| *program != "cat")?;
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::piped());
    if env::var_os("LESS").is_none() {
        // Colours as colours, and no pager for what fits on the screen.
        command.env("LESS", "FRX");
    }
    command.spawn().ok()
}
