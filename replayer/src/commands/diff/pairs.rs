//! Which process of the one run is which of the other.

use std::collections::{BTreeMap, BTreeSet};

use super::noise::{Builtin, Hits, Noise, Spot};
use super::run::Run;
use super::sequence::{self, Step};

/// Processes of both runs, by their numbers.
#[derive(Debug, Default)]
pub struct Pairs {
    pub both: Vec<(u32, u32)>,
    /// Those that only one run has, less what merely happened more often there.
    pub only: [Vec<u32>; 2],
    to_b: BTreeMap<u32, u32>,
    to_a: BTreeMap<u32, u32>,
    /// Repeated processes.
    repeated: [BTreeSet<u32>; 2],
}

impl Pairs {
    /// The second run's process for one of the first.
    pub fn other(&self, a: u32) -> Option<u32> {
        self.to_b.get(&a).copied()
    }

    /// A name for a process that is the same in both runs.
    pub fn common(&self, run: usize, process: u32) -> String {
        let a = match run {
            0 => Some(process),
            _ => self.to_a.get(&process).copied(),
        };
        match a {
            Some(a) => format!("p{a}"),
            None => format!("only p{process}"),
        }
    }

    /// Whether the process is one more of a kind that both runs have, such as one more look at
    /// whether a server is up.
    pub fn is_repeated(&self, run: usize, process: u32) -> bool {
        self.repeated[run].contains(&process)
    }

    fn add(&mut self, a: u32, b: u32) {
        self.both.push((a, b));
        self.to_b.insert(a, b);
        self.to_a.insert(b, a);
    }
}

/// Aligns from the root down: children of a pair by program and arguments, then by program alone,
/// each in the order in which they were started.
pub fn align(runs: [&Run; 2], noise: &mut Noise) -> Pairs {
    let mut pairs = Pairs::default();
    let children: [BTreeMap<Option<u32>, Vec<u32>>; 2] = [0, 1].map(|run| {
        let mut children: BTreeMap<Option<u32>, Vec<u32>> = BTreeMap::new();
        for (number, process) in &runs[run].processes {
            // A parent that is not there, or is the process itself, is none.
            let known = |parent: &u32| parent < number && runs[run].processes.contains_key(parent);
            let parent = process.parent.filter(known);
            children.entry(parent).or_default().push(*number);
        }
        children
    });
    let talkative: [BTreeSet<u32>; 2] = runs.map(|run| {
        let sent = run.talks.iter().filter(|talk| {
            let protocols = !matches!(talk.channel, "pipe" | "stdout" | "stderr" | "stdin");
            protocols && talk.lanes.iter().any(|lane| !lane.is_empty())
        });
        sent.flat_map(|talk| talk.ends).flatten().collect()
    });
    let mut work = vec![(None, None)];
    while let Some((of_a, of_b)) = work.pop() {
        let none = Vec::new();
        let lists = [
            children[0].get(&of_a).unwrap_or(&none),
            children[1].get(&of_b).unwrap_or(&none),
        ];
        let keys = [0, 1].map(|run| keys(runs[run], lists[run], noise));
        let mut left = lists.map(|list| (0..list.len()).collect::<BTreeSet<usize>>());
        let mut found: Vec<(usize, usize)> = Vec::new();
        // How they ended tells the last of several tries, which succeeded, from those before.
        for round in [Round::Kind, Round::Program] {
            let groups = [0, 1].map(|run| {
                let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
                for at in &left[run] {
                    let key = round.key(&keys[run][*at]);
                    groups.entry(key).or_default().push(*at);
                }
                groups
            });
            for (key, of_a) in &groups[0] {
                let Some(of_b) = groups[1].get(key) else {
                    continue;
                };
                let ends = |run: usize, group: &[usize]| -> Vec<u64> {
                    group.iter().map(|at| keys[run][*at].end).collect()
                };
                for step in sequence::align(&ends(0, of_a), &ends(1, of_b), |_, _| true) {
                    if let Step::Both(a, b) = step {
                        found.push((of_a[a], of_b[b]));
                        left[0].remove(&of_a[a]);
                        left[1].remove(&of_b[b]);
                    }
                }
            }
        }
        let twins = [0, 1].map(|run| {
            let of = found.iter().map(|(a, b)| [*a, *b][run]);
            of.map(|at| Round::Kind.key(&keys[run][at]))
                .collect::<BTreeSet<_>>()
        });
        for (a, b) in &found {
            let (a, b) = (lists[0][*a], lists[1][*b]);
            pairs.add(a, b);
            work.push((Some(a), Some(b)));
        }
        for run in [0, 1] {
            for at in &left[run] {
                let number = lists[run][*at];
                let twin = twins[run].contains(&Round::Kind.key(&keys[run][*at]));
                let mut tree = vec![number];
                let mut next = 0;
                while let Some(one) = tree.get(next) {
                    tree.extend(children[run].get(&Some(*one)).into_iter().flatten());
                    next += 1;
                }
                let quiet = tree.iter().all(|one| !talkative[run].contains(one));
                if twin && quiet {
                    noise.suppress_builtin(Builtin::Repetition, 1);
                    pairs.repeated[run].extend(tree);
                } else {
                    pairs.only[run].extend(tree);
                }
            }
        }
    }
    pairs.both.sort_unstable();
    pairs.only.iter_mut().for_each(|only| only.sort_unstable());
    pairs
}

/// What a process is recognised by.
struct Key {
    name: String,
    argv: Vec<String>,
    end: u64,
}

#[derive(Clone, Copy)]
enum Round {
    Kind,
    Program,
}

impl Round {
    fn key(self, key: &Key) -> (String, Vec<String>) {
        match self {
            Round::Kind => (key.name.clone(), key.argv.clone()),
            Round::Program => (key.name.clone(), Vec::new()),
        }
    }
}

fn keys(run: &Run, list: &[u32], noise: &mut Noise) -> Vec<Key> {
    let keys = list.iter().filter_map(|number| {
        let process = run.processes.get(number)?;
        let spot = Spot {
            protocol: "argv",
            connection: &process.name,
            field: "argument",
        };
        let argv = process.argv.iter();
        let masked = argv.map(|word| noise.mask(spot, word, &mut Hits::new()).into_owned());
        let end = match &process.end {
            Some((reenact_causal::Ended::Status(status), _)) => u64::from(*status),
            Some((reenact_causal::Ended::Signal(signal), _)) => 1000 + u64::from(*signal),
            Some((reenact_causal::Ended::Unknown, _)) | None => u64::MAX,
        };
        Some(Key {
            name: process.name.clone(),
            argv: masked.collect(),
            end,
        })
    });
    keys.collect()
}
