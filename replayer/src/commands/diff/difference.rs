//! A difference between the two runs.

use super::run::Sight;
use super::tree::FieldDiff;

/// What differs, from what says most to what says least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Messages of several connections reached a process in another order.
    Overtaken,
    Missing,
    Extra,
    Payload,
    /// A connection refused, a signal, a fault.
    Happening,
    Process,
    Exit,
    File,
    Environment,
    Arguments,
    Threads,
    Output,
    Randomness,
    Clock,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Overtaken => "overtaken",
            Kind::Missing => "missing",
            Kind::Extra => "extra",
            Kind::Payload => "payload",
            Kind::Happening => "event",
            Kind::Process => "process",
            Kind::Exit => "exit",
            Kind::File => "file",
            Kind::Environment => "environment",
            Kind::Arguments => "arguments",
            Kind::Threads => "threads",
            Kind::Output => "output",
            Kind::Randomness => "randomness",
            Kind::Clock => "clock",
        }
    }

    /// How much a difference of this kind says, if nothing before it differs. Even the least of these
    /// is above a message that only follows from another difference.
    pub fn weight(self) -> f64 {
        match self {
            Kind::Overtaken => 0.95,
            Kind::Missing | Kind::Extra => 0.85,
            Kind::Payload => 0.75,
            Kind::Happening => 0.70,
            Kind::Process => 0.65,
            Kind::Exit => 0.45,
            Kind::File => 0.42,
            Kind::Environment => 0.40,
            Kind::Arguments => 0.38,
            Kind::Threads => 0.36,
            Kind::Output => 0.34,
            Kind::Randomness => 0.28,
            Kind::Clock => 0.25,
        }
    }

    /// Whether it is where a run fails, rather than why.
    pub fn is_symptom(self) -> bool {
        match self {
            Kind::Exit | Kind::Output | Kind::Happening => true,
            Kind::Overtaken | Kind::Missing | Kind::Extra | Kind::Payload => false,
            Kind::Process | Kind::File | Kind::Environment | Kind::Arguments => false,
            Kind::Threads | Kind::Randomness | Kind::Clock => false,
        }
    }

    /// Whether it came from outside of the processes, so that nothing within them needs to explain it.
    pub fn is_given(self) -> bool {
        match self {
            Kind::File | Kind::Environment | Kind::Arguments => true,
            Kind::Overtaken | Kind::Missing | Kind::Extra | Kind::Payload => false,
            Kind::Happening | Kind::Process | Kind::Exit | Kind::Threads => false,
            Kind::Output | Kind::Randomness | Kind::Clock => false,
        }
    }
}

/// One run's side of a difference.
#[derive(Clone, Debug)]
pub struct Shown {
    pub sight: Sight,
    pub text: String,
}

#[derive(Clone, Debug)]
pub struct Difference {
    pub kind: Kind,
    /// A sentence.
    pub what: String,
    /// How each run has it, if it has it.
    pub sides: [Option<Shown>; 2],
    /// Where it stands in the order of each run: where it happened, or where it would have.
    pub places: [Option<Sight>; 2],
    pub fields: Vec<FieldDiff>,
    /// Fields that differ and are not listed.
    pub more: u64,
}

impl Difference {
    pub fn new(kind: Kind, what: String) -> Difference {
        Difference {
            kind,
            what,
            sides: [None, None],
            places: [None, None],
            fields: Vec::new(),
            more: 0,
        }
    }

    /// With what both runs show of it, which is also where it stands.
    pub fn at(mut self, a: Option<Shown>, b: Option<Shown>) -> Difference {
        self.places = [&a, &b].map(|side| side.as_ref().map(|shown| shown.sight.clone()));
        self.sides = [a, b];
        self
    }
}
