//! Kinds of noise that are recognised without a rule of the user.

/// Noise that is recognised without a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Builtin {
    Uuid,
    Token,
    Time,
    Duration,
    Port,
    Pid,
    TemporaryPath,
    WorkingFolder,
    Address,
    Length,
    VolatileFile,
    Repetition,
    Order,
    Timing,
    Heartbeat,
    Startup,
    /// What happens as a run is taken down.
    Shutdown,
    /// A value that is drawn anew in each run, as its place says.
    Drawn,
    /// What says how busy the machine is.
    Load,
    /// What the kernel itself answers.
    Kernel,
    /// A name that is drawn anew in each run.
    Renamed,
    /// What differs between runs that passed.
    BetweenGoodRuns,
}

impl Builtin {
    pub const ALL: [Builtin; 22] = [
        Builtin::Uuid,
        Builtin::Token,
        Builtin::Time,
        Builtin::Duration,
        Builtin::Port,
        Builtin::Pid,
        Builtin::TemporaryPath,
        Builtin::WorkingFolder,
        Builtin::Address,
        Builtin::Length,
        Builtin::VolatileFile,
        Builtin::Repetition,
        Builtin::Order,
        Builtin::Timing,
        Builtin::Heartbeat,
        Builtin::Startup,
        Builtin::Shutdown,
        Builtin::Drawn,
        Builtin::Load,
        Builtin::Kernel,
        Builtin::Renamed,
        Builtin::BetweenGoodRuns,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Builtin::Uuid => "uuid",
            Builtin::Token => "token",
            Builtin::Time => "time",
            Builtin::Duration => "duration",
            Builtin::Port => "port",
            Builtin::Pid => "pid",
            Builtin::TemporaryPath => "temporary-path",
            Builtin::WorkingFolder => "working-folder",
            Builtin::Address => "address",
            Builtin::Length => "length",
            Builtin::VolatileFile => "volatile-file",
            Builtin::Repetition => "repetition",
            Builtin::Order => "order",
            Builtin::Timing => "timing",
            Builtin::Heartbeat => "heartbeat",
            Builtin::Startup => "start-up",
            Builtin::Shutdown => "shutdown",
            Builtin::Drawn => "drawn",
            Builtin::Load => "load",
            Builtin::Kernel => "kernel",
            Builtin::Renamed => "renamed",
            Builtin::BetweenGoodRuns => "between-good-runs",
        }
    }
}
