//! `replay diff`: what was different in the second of two runs.

mod about;
mod alike;
mod arguments;
mod between;
mod builtin;
mod cause;
mod chance;
mod clocks;
mod compare;
mod cut_off;
mod datagrams;
mod difference;
mod drawn;
mod ending;
mod first_seen;
mod forms;
mod in_order;
mod inputs;
mod judge;
mod kernel;
mod late;
mod learn;
mod lonely;
mod looks;
mod masked;
mod noise;
mod order;
mod output;
mod pairs;
mod paused;
mod permuted;
mod polls;
mod renamed;
mod replies;
mod roots;
mod run;
mod sequence;
mod strays;
mod talks;
mod times;
mod told;
mod tree;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use reenact_trace::TraceError;
use reenact_wire::Detail;

use between::Between;
use compare::Found;
use difference::Difference;
use judge::Judgement;
use noise::{Noise, RulesError};
use output::Outcome;
use pairs::Pairs;
use run::{Named, Run};

use crate::commands::report;
use crate::commands::show::{Decoding, ShowError};

/// Exit status when something differs, and when that could not be found out.
const DIFFERENT: u8 = 1;
const TROUBLE: u8 = 2;

/// Tell what was different in the second of two runs, and what may have caused it.
#[derive(Args)]
#[command(after_help = "\
Record a run that passes and one that fails, and compare them:

  record -o good.zst -- ./test.sh
  record -o bad.zst -- ./test.sh
  replay diff good.zst bad.zst

    different: 3 differences; 214 more are noise

    first difference
      The field content.total of a http message from python3[2] to python3[1] differs.
        A     0.210345 p2:842     python3[2]  POST /order application/json 14 B
        B     0.198220 p2:840     python3[2]  POST /order application/json 14 B
          content.total: 17 | 71

    likely causes
      0.75  payload      The field content.total of … differs.
            everything before it is the same in both runs, and it leads to how the run ends …

Events such as p2:842 can be looked at: replay show --causes-of p2:842 good.zst

Processes are paired by their place in the tree, program and arguments; connections by the processes at
their ends; messages by what they say. Differences that any two runs show are noise: times, dates,
durations, UUIDs and tokens, ports, pids, temporary paths, repeated tries, and orders that nothing
follows from. Further noise is named in a file of rules (TOML), of which all parts must hold:

  [[ignore]]                       # leaves the field out
  protocol = \"http\"                # * and ? are wildcards in all parts but text
  connection = \"python3 -> redis*\" # client and server, by their programs
  field = \"content.cache.*\"
  [[ignore]]                       # leaves out what the regular expression matches
  text = 'seq=\\d+'
  [[ignore]]                       # protocols env, argv, file and program are not messages
  protocol = \"env\"
  field = \"LANG\"

Values that are drawn anew in each run (hardly any comes twice at one place, and hardly any is in both runs)
are noise as well, and so is what a process draws by chance that was told and given the same: it is named only
where nothing else explains what failed. With further runs that passed, whatever differs between two good ones is noise:

  replay diff --also-good good2.zst --also-good good3.zst good.zst bad.zst

Scores are between 0 and 1: they say which kind of cause is likelier, and are no probabilities.

Exit status: 0 the same, perhaps but for noise; 1 different; 2 trouble.")]
pub struct Diff {
    /// The run to compare with, for example one that passed.
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The run in question.
    #[arg(value_name = "B")]
    pub b: PathBuf,
    #[command(flatten)]
    pub decoding: Decoding,
    /// Rules for what else is noise.
    #[arg(long, value_name = "FILE")]
    pub ignore: Vec<PathBuf>,
    /// A further run that passed as A did: whatever differs between good runs is noise. May be given again.
    #[arg(long, value_name = "FILE")]
    pub also_good: Vec<PathBuf>,
    /// Most causes that are printed.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub limit: usize,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
    /// Also write a page that shows the difference, with both runs side by side.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Why two runs could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error(transparent)]
    Rules(#[from] RulesError),
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    #[error(transparent)]
    Decoding(#[from] ShowError),
    #[error(transparent)]
    Page(#[from] Box<report::ReportError>),
}

pub fn main(args: &Diff) -> ExitCode {
    match diff(args) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(DIFFERENT),
        Err(DiffError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::from(TROUBLE)
        }
        Err(error) => {
            eprintln!("replay: {error}");
            ExitCode::from(TROUBLE)
        }
    }
}

/// Whether the runs differ.
fn diff(args: &Diff) -> Result<bool, DiffError> {
    let compared = compare_files(
        [&args.a, &args.b],
        &args.decoding,
        &args.ignore,
        &args.also_good,
    )?;
    for rule in compared.noise.unused() {
        eprintln!("replay: {rule} of --ignore matched nothing");
    }
    let outcome = compared.outcome();
    let text = match args.json {
        true => format!("{}\n", outcome.value(args.limit)),
        false => outcome.text(args.limit),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    if let Some(html) = &args.html {
        report::of_diff(&compared, [&args.a, &args.b], html).map_err(Box::new)?;
    }
    Ok(compared.count > 0)
}

/// Two runs, compared.
pub struct Compared {
    starts: [u64; 2],
    pairs: Pairs,
    noise: Noise,
    judgement: Judgement,
    count: usize,
    matched: Vec<[Named; 2]>,
}

impl Compared {
    pub fn outcome(&self) -> Outcome<'_> {
        Outcome {
            starts: self.starts,
            count: self.count,
            judgement: &self.judgement,
            noise: &self.noise,
        }
    }

    /// Processes of both runs that are the same.
    pub fn pairs(&self) -> &[(u32, u32)] {
        &self.pairs.both
    }

    /// Events of both runs that sent the same message, by their names.
    pub fn matched(&self) -> Vec<[String; 2]> {
        let names = self.matched.iter().map(|both| both.map(Named::event));
        names.collect()
    }
}

/// Compares two runs, with files of rules for what is noise, and with further runs that passed as the first did.
pub fn compare_files(
    files: [&Path; 2],
    decoding: &Decoding,
    ignore: &[PathBuf],
    also_good: &[PathBuf],
) -> Result<Compared, DiffError> {
    let [mut a, mut b] = open(files, decoding)?;
    let mut noise = Noise::new(BTreeSet::new(), BTreeSet::new());
    for file in ignore {
        noise.add_file(file)?;
    }
    noise.meet(&a);
    noise.meet(&b);
    noise.add_folders([a.folder(), b.folder()]);
    noise.add_made([&a.made(), &b.made()]);
    let mut values = Vec::new();
    for file in also_good {
        let run = Run::open(file, decoding.narrator(Detail::default())?)?;
        noise.meet(&run);
        noise.add_made([&a.made(), &run.made()]);
        values.push(learn::gather(&run, &mut noise));
    }
    let of_both = [&a, &b].map(|run| learn::gather(run, &mut noise));
    let (names, twice) = renamed::find([&a, &b], &mut noise);
    noise.set_renamed(names);
    let mut choices = chance::decided([&a, &b], &mut noise);
    choices.extend(twice);
    noise.set_learnt(learn::learn([&of_both[0], &of_both[1]], &values));
    drop(values);
    let drawn = drawn::find([&mut a, &mut b], [&of_both[0], &of_both[1]], &mut noise);
    drop(of_both);
    let mut between = Between::default();
    for file in also_good {
        // Runs are changed as they are compared.
        let [mut one, mut other] = open([files[0], file], decoding)?;
        let mut quiet = noise.aside();
        let (_, found) = differences([&mut one, &mut other], &mut quiet);
        let all = found.differences.iter().chain(&found.suspects);
        all.for_each(|difference| between.add(difference));
    }
    let (pairs, mut found) = differences([&mut a, &mut b], &mut noise);
    let before = found.differences.len();
    found.differences.retain(|one| !between.has(one));
    found.suspects.retain(|one| !between.has(one));
    let gone = (before - found.differences.len()) as u64;
    noise.suppress_builtin(noise::Builtin::BetweenGoodRuns, gone);
    let runs = [&a, &b];
    ending::leave_out(runs, &mut noise, &mut found);
    // Chance is a cause where somebody sees what came of it.
    if found.differences.iter().any(Difference::is_seen) {
        found.differences.extend(choices);
    }
    let matched = std::mem::take(&mut found.matched);
    let all = found.differences.len();
    let mut judgement = judge::judge(runs, found);
    drawn::add(&mut judgement, drawn);
    let count = all - judgement.without.len();
    talks::noise_of_order(&mut noise, judgement.harmless);
    noise.suppress_builtin(noise::Builtin::Timing, judgement.in_time);
    Ok(Compared {
        starts: runs.map(|run| run.start_ns),
        pairs,
        noise,
        judgement,
        count,
        matched,
    })
}

/// Reads two runs. Reading takes most of the time.
fn open(files: [&Path; 2], decoding: &Decoding) -> Result<[Run; 2], DiffError> {
    let of_a = decoding.narrator(Detail::default())?;
    let of_b = decoding.narrator(Detail::default())?;
    let (a, b) = std::thread::scope(|scope| {
        let b = scope.spawn(move || Run::open(files[1], of_b));
        (Run::open(files[0], of_a), b.join())
    });
    let b = b.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let mut runs = [a?, b?];
    runs.iter_mut()
        .for_each(|run| run.of_kernel = kernel::leave_out(run));
    let unread = cut_off::leave_out(&mut runs);
    runs[1].unread = unread;
    for (run, path) in runs.iter().zip(files) {
        if run.is_cut {
            eprintln!(
                "replay: {} is incomplete: it is compared as far as it goes",
                path.display()
            );
        }
    }
    Ok(runs)
}

/// All that differs between two runs, with the processes that are the same.
fn differences(runs: [&mut Run; 2], noise: &mut Noise) -> (Pairs, Found) {
    let [a, b] = runs;
    noise.add_folders([a.folder(), b.folder()]);
    noise.suppress_builtin(noise::Builtin::Timing, b.unread);
    let beats = a.heartbeats.abs_diff(b.heartbeats);
    noise.suppress_builtin(noise::Builtin::Heartbeat, beats);
    noise.suppress_builtin(noise::Builtin::Startup, a.early.abs_diff(b.early));
    noise.suppress_builtin(noise::Builtin::Kernel, b.of_kernel);
    let [mut of_a, mut of_b] = [&*a, &*b].map(|run| talks::hashes(run, noise));
    let forms = [&*a, &*b].map(|run| forms::Forms::of(run, noise));
    let watched = polls::leave_out([&mut *a, &mut *b], [&mut of_a, &mut of_b], noise);
    let (runs, hashes) = ([&*a, &*b], [of_a, of_b]);
    let said = [0, 1].map(|run| talks::said(runs[run], &hashes[run]));
    let pairs = pairs::align(runs, [&said[0], &said[1]], noise);
    let mut found = Found {
        loops: pairs.loops(),
        watched,
        forms,
        ..Found::default()
    };
    compare::processes(runs, &pairs, noise, &mut found);
    found.differences.extend(paused::paused(runs));
    let arrivals = talks::compare(runs, &pairs, [&hashes[0], &hashes[1]], noise, &mut found);
    order::overtaken(arrivals, &mut found);
    (pairs, found)
}
