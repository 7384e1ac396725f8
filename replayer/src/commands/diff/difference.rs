//! A difference between the two runs.

use std::collections::BTreeSet;

use reenact_causal::Place;

use super::run::Sight;
use super::tree::{Drawn, FieldDiff};

/// How much is said by a file from before the run, and by a message that was lost on its way.
const GIVEN: f64 = 0.94;
const LOST: f64 = 0.96;
/// And by a disk that stalled.
const STALLED: f64 = 0.96;
/// And by a choice of which it is known what came of it.
const DECISIVE: f64 = 0.955;
/// Lines of code that were changed, so that it is likely that these are the reason.
const LINES_MAX: usize = 24;

/// What differs, from what says most to what says least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Messages of several connections reached a process in another order.
    Overtaken,
    /// A clock, or a time in a message, is elsewhere than the recording's own clock.
    Jump,
    /// The disk took far longer.
    Slow,
    Missing,
    Extra,
    Payload,
    /// A program says another checksum of its state.
    Checksum,
    /// A connection refused, a signal, a fault.
    Happening,
    Process,
    Exit,
    /// A message went to another process of the same program.
    Elsewhere,
    /// A file that a process of the run wrote.
    Written,
    File,
    Environment,
    Arguments,
    /// The program's own code.
    Program,
    Threads,
    Output,
    Randomness,
    Clock,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Overtaken => "overtaken",
            Kind::Jump | Kind::Clock => "clock",
            Kind::Slow => "slow",
            Kind::Missing => "missing",
            Kind::Extra => "extra",
            Kind::Payload => "payload",
            Kind::Checksum => "checksum",
            Kind::Happening => "event",
            Kind::Process => "process",
            Kind::Exit => "exit",
            Kind::Elsewhere => "elsewhere",
            Kind::Written | Kind::File => "file",
            Kind::Environment => "environment",
            Kind::Arguments => "arguments",
            Kind::Program => "program",
            Kind::Threads => "threads",
            Kind::Output => "output",
            Kind::Randomness => "randomness",
        }
    }

    /// How much a difference of this kind says, if nothing before it differs. Even the least of these
    /// is above a message that only follows from another difference.
    pub fn weight(self) -> f64 {
        match self {
            Kind::Jump => 0.97,
            Kind::Overtaken => 0.95,
            Kind::Slow => 0.90,
            Kind::Missing | Kind::Extra => 0.85,
            Kind::Process => 0.80,
            Kind::Payload => 0.75,
            Kind::Happening => 0.70,
            Kind::Checksum => 0.60,
            Kind::Exit => 0.45,
            Kind::Elsewhere => 0.445,
            Kind::Written => 0.44,
            Kind::File => 0.42,
            Kind::Environment => 0.40,
            Kind::Arguments => 0.38,
            Kind::Program => 0.37,
            Kind::Threads => 0.36,
            Kind::Output => 0.30,
            Kind::Randomness => 0.28,
            Kind::Clock => 0.25,
        }
    }

    /// Whether it is where a run fails, rather than why.
    pub fn is_symptom(self) -> bool {
        match self {
            Kind::Exit | Kind::Output | Kind::Happening => true,
            Kind::Overtaken | Kind::Missing | Kind::Extra | Kind::Payload => false,
            Kind::Written | Kind::Elsewhere => false,
            Kind::Process | Kind::File | Kind::Environment | Kind::Arguments => false,
            Kind::Jump | Kind::Slow | Kind::Checksum | Kind::Program => false,
            Kind::Threads | Kind::Randomness | Kind::Clock => false,
        }
    }

    /// Whether it came from outside of the processes, so that nothing within them needs to explain it.
    pub fn is_given(self) -> bool {
        match self {
            Kind::File | Kind::Environment | Kind::Arguments => true,
            Kind::Jump | Kind::Slow | Kind::Program => true,
            Kind::Overtaken | Kind::Missing | Kind::Extra | Kind::Payload => false,
            Kind::Happening | Kind::Process | Kind::Exit | Kind::Threads => false,
            Kind::Written | Kind::Elsewhere => false,
            Kind::Checksum | Kind::Output | Kind::Randomness | Kind::Clock => false,
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
    /// Words and bytes of it that may have been drawn by chance.
    pub words: Vec<Drawn>,
    /// It is what a process came to by itself that was told and given the same.
    pub chance: bool,
    /// Of random bytes: what came of them is known, and matters.
    pub decisive: bool,
    /// Of a program: it was built anew, rather than read as text.
    pub built: bool,
    /// Of random numbers: that they are seeded anew in each run is all that is known.
    pub seed: bool,
    /// It is what somebody says again and again in one of the runs only.
    pub storm: bool,
    /// It is a word or a number that looks as if it was drawn by chance, which no message repeats.
    pub drawn: bool,
    /// It says how far somebody was who comes to the same in both runs.
    pub sampled: bool,
    /// It came from somebody who was not recorded: nothing in the recording needs to explain it.
    pub outside: bool,
    /// It was lost between its sender and its receiver, or came twice, or behind what was sent later.
    pub lost: bool,
    /// It is what chance does in any two runs, as far as one can tell: it explains nothing else.
    pub weak: bool,
    /// It says the same once more that is asked and answered again and again in both runs.
    pub again: bool,
    /// All its parts are in both runs, at the same places.
    pub known: bool,
    /// Another process of the same kind says it in the second run: what the first one had read decides nothing.
    pub crossed: bool,
    /// The two were started alike by one process, and so share where they are asked.
    pub shared: bool,
    /// It answers somebody who only looks how things are, as somebody does in the other run.
    pub look: bool,
    /// Of a message: a number for its shape and way, and one for what it says. Of two that changed places: one for
    /// their shapes.
    pub place: u64,
    pub content: u64,
    /// Of a message: who got it.
    pub to: [Option<Sight>; 2],
    /// Of a file that was written in the run: who wrote it.
    pub by: [Option<Sight>; 2],
    /// In one run its sender had been told what it says there, and not in the other.
    pub forwarded: bool,
    /// It is about a file that whoever started its reader wrote for it.
    pub given: bool,
    /// It is what a server says first to whoever connects, such as the number of the connection.
    pub greets: bool,
    /// The run whose order alone says what is before it and behind it.
    pub decides: Option<usize>,
    /// It is about a file that the run wrote itself.
    pub internal: bool,
    /// What differs says only in which order things were done: the same values, given to others.
    pub permuted: bool,
    /// It may have come of the order alone in which messages arrived or threads ran.
    pub timely: bool,
    /// Messages arrived or threads ran in another order before it.
    pub reordered: bool,
    /// Its process was told the same in the same order, and its threads ran in another one.
    pub threaded: bool,
    /// It is about a file that was written again and again in the run.
    pub written: bool,
    /// Who sent, in the second run, the message that came behind another.
    pub sender: Option<u32>,
    /// Both messages that changed places went one way.
    pub own_way: bool,
    /// Two messages that changed places are about the same thing.
    pub related: bool,
    /// Names that both have.
    pub common: BTreeSet<String>,
    /// A disk, rather than a program, took its time.
    pub disk: bool,
    /// It took seconds, and many times as long as in the first run.
    pub stalls: bool,
    /// It says that a message came late, and not why.
    pub late: bool,
    /// It says that an answer was slow, and not which call of its process was.
    pub answer: bool,
    /// One of them is of a kind that its receiver hardly ever gets.
    pub alone: bool,
    /// Where, in each run, the later one of the two arrived.
    pub behind: [Option<Place>; 2],
    /// Where a message went: the connection's kind, the kinds of processes at its ends, and which way.
    pub way: String,
    /// The same, with their scripts.
    pub link: String,
    /// How often the same differs.
    pub times: u64,
    /// What is known beside the sentence, for the reason.
    pub note: String,
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
            words: Vec::new(),
            chance: false,
            decisive: false,
            built: false,
            seed: false,
            storm: false,
            drawn: false,
            sampled: false,
            outside: false,
            lost: false,
            weak: false,
            greets: false,
            given: false,
            forwarded: false,
            by: [None, None],
            to: [None, None],
            place: 0,
            content: 0,
            again: false,
            known: false,
            crossed: false,
            shared: false,
            look: false,
            decides: None,
            internal: false,
            permuted: false,
            timely: false,
            reordered: false,
            threaded: false,
            written: false,
            sender: None,
            own_way: false,
            related: false,
            common: BTreeSet::new(),
            disk: false,
            stalls: false,
            late: false,
            answer: false,
            alone: false,
            behind: [None, None],
            way: String::new(),
            link: String::new(),
            times: 1,
            note: String::new(),
        }
    }

    /// How much it says, if nothing before it differs. A process that somebody outside ended is missed
    /// by all that it would have talked to.
    pub fn weight(&self) -> f64 {
        match self.kind {
            Kind::Exit if self.outside => Kind::Missing.weight() + 0.01,
            // What was there before the run, and is read as it is, is a cause and no consequence.
            Kind::File
                if (self.outside || self.given) && !self.fields.is_empty() && !self.internal =>
            {
                GIVEN
            }
            // A few lines that were changed say more than that a program is another one.
            Kind::Program if (1..=LINES_MAX).contains(&self.fields.len()) && self.more == 0 => {
                GIVEN - 0.01
            }
            Kind::Slow if self.disk && self.stalls => STALLED,
            // The network loses nothing, and changes no order, in a run that is like the other.
            _ if self.lost => LOST,
            Kind::Randomness if self.decisive => DECISIVE,
            kind => kind.weight(),
        }
    }

    /// Whether it is an answer to whoever made the connection, or what a command was made to print.
    pub fn is_answer(&self) -> bool {
        self.way.ends_with(" 1") || self.way.starts_with("pipe ")
    }

    /// Whether somebody sees it: how a process ends, what is printed, what a program says of its state.
    pub fn is_seen(&self) -> bool {
        !self.permuted && (self.kind.is_symptom() || self.kind == Kind::Checksum)
    }

    /// With what both runs show of it, which is also where it stands.
    pub fn at(mut self, a: Option<Shown>, b: Option<Shown>) -> Difference {
        self.places = [&a, &b].map(|side| side.as_ref().map(|shown| shown.sight.clone()));
        self.sides = [a, b];
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::cause::FOLLOWS;
    use super::*;

    #[test]
    fn kinds_rank_as_documented() {
        let kinds = [
            Kind::Jump,
            Kind::Overtaken,
            Kind::Slow,
            Kind::Missing,
            Kind::Process,
            Kind::Payload,
            Kind::Happening,
            Kind::Checksum,
            Kind::Exit,
            Kind::Elsewhere,
            Kind::Written,
            Kind::File,
            Kind::Environment,
            Kind::Arguments,
            Kind::Program,
            Kind::Threads,
            Kind::Output,
            Kind::Randomness,
            Kind::Clock,
        ];
        assert!(kinds
            .windows(2)
            .all(|pair| pair[0].weight() > pair[1].weight()));
        // A given root is above any message that follows from it.
        assert!(Kind::Missing.weight() * FOLLOWS < Kind::Output.weight());
    }
}
