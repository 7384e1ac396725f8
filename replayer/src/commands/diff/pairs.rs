//! Which process of the one run is which of the other.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

use reenact_causal::Ended;
use rustc_hash::FxHasher;

use super::masked;
use super::noise::{Builtin, Noise};
use super::run::Run;
use super::sequence::{self, Step};
use super::strays;

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
    /// Of each process: its program, its arguments, and whose child it is.
    kinds: [BTreeMap<u32, String>; 2],
}

impl Pairs {
    /// The second run's process for one of the first.
    pub fn other(&self, a: u32) -> Option<u32> {
        self.to_b.get(&a).copied()
    }

    /// The first run's process for one of the second.
    pub fn first(&self, b: u32) -> Option<u32> {
        self.to_a.get(&b).copied()
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

    /// What a process is, as several may be the same.
    pub fn kind(&self, run: usize, process: u32) -> &str {
        self.kinds[run].get(&process).map_or("", String::as_str)
    }

    /// Processes of a kind of which there are several in one of the runs.
    pub fn loops(&self) -> BTreeSet<(usize, u32)> {
        let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
        for run in [0, 1] {
            for kind in self.kinds[run].values() {
                counts.entry(kind).or_default()[run] += 1;
            }
        }
        let all = [0, 1].into_iter().flat_map(|run| {
            let kinds = self.kinds[run].iter();
            kinds.map(move |(process, kind)| (run, *process, kind))
        });
        let several = all.filter(|(.., kind)| {
            let of_kind = counts.get(kind.as_str());
            of_kind.is_some_and(|counts| counts.iter().any(|count| *count > 1))
        });
        several.map(|(run, process, _)| (run, process)).collect()
    }

    /// Whether two processes, one of each run, are both there in the other run, and are not the same.
    pub fn is_crossed(&self, processes: [u32; 2]) -> bool {
        let twins = [self.to_b.get(&processes[0]), self.to_a.get(&processes[1])];
        twins.iter().all(Option::is_some) && twins[0] != Some(&processes[1])
    }

    /// Pairs two that only one run had each, wherever they hang in the tree.
    pub fn add_stray(&mut self, a: u32, b: u32, kind: &str) {
        self.add(a, b);
        for (run, number) in [(0, a), (1, b)] {
            self.only[run].retain(|one| *one != number);
            self.kinds[run].insert(number, kind.to_owned());
        }
    }

    fn add(&mut self, a: u32, b: u32) {
        self.both.push((a, b));
        self.to_b.insert(a, b);
        self.to_a.insert(b, a);
    }
}

/// Aligns from the root down: children of a pair by program, arguments and all that was said over their
/// connections, then without that, then by program alone, each in the order in which they were started.
/// `said`: a number for what each process took part in saying.
pub fn align(runs: [&Run; 2], said: [&BTreeMap<u32, u64>; 2], noise: &mut Noise) -> Pairs {
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
    let talking: [BTreeSet<u32>; 2] = runs.map(|run| {
        let all = run.talks.iter();
        let sent = all.filter(|talk| talk.lanes.iter().any(|lane| !lane.is_empty()));
        sent.flat_map(|talk| talk.ends).flatten().collect()
    });
    let trees = [0, 1].map(|run| trees(runs[run], &children[run], noise));
    let mut work = vec![(None, None)];
    while let Some((of_a, of_b)) = work.pop() {
        let none = Vec::new();
        let lists = [
            children[0].get(&of_a).unwrap_or(&none),
            children[1].get(&of_b).unwrap_or(&none),
        ];
        let keys = [0, 1].map(|run| {
            keys(
                runs[run],
                lists[run],
                (said[run], &trees[run]),
                &talking[run],
                noise,
            )
        });
        for run in [0, 1] {
            let parent = [of_a, of_b][run];
            // Of several that are alike, the children are, too.
            let parent = parent.map_or(0, |parent| {
                let mut hasher = FxHasher::default();
                hasher.write(pairs.kind(run, parent).as_bytes());
                hasher.finish()
            });
            for (number, key) in lists[run].iter().zip(&keys[run]) {
                let kind = format!("{parent:x} {} {}", key.name, key.argv.join(" "));
                pairs.kinds[run].insert(*number, kind);
            }
        }
        // Whoever only waited is one of those that did more in the other run, but of no others.
        let waits = |run: usize, at: &usize| runs[run].waiting.contains(&lists[run][*at]);
        let mut left = [0, 1].map(|run| {
            let all = (0..lists[run].len()).filter(|at| !waits(run, at));
            all.collect::<BTreeSet<usize>>()
        });
        let mut found: Vec<(usize, usize)> = Vec::new();
        // How they ended tells the last of several tries, which succeeded, from those before.
        for round in [
            Round::SaidAndTree,
            Round::Said,
            Round::Tree,
            Round::Kind,
            Round::Waiting,
            Round::Numbers,
            Round::Program,
        ] {
            if matches!(round, Round::Waiting) {
                for run in [0, 1] {
                    left[run].extend((0..lists[run].len()).filter(|at| waits(run, at)));
                }
            }
            let groups = [0, 1].map(|run| {
                let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
                for at in &left[run] {
                    if !round.takes(&keys[run][*at]) {
                        continue;
                    }
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
                let waiting = |run: usize, group: &[usize]| group.iter().all(|at| waits(run, at));
                let waits = [waiting(0, of_a), waiting(1, of_b)];
                let of_kind = |run: usize| {
                    let all = keys[run].iter();
                    all.filter(|one| Round::Kind.key(one) == *key).count()
                };
                let alone = of_kind(0) == 1 && of_kind(1) == 1;
                if waits == [true; 2] || waits != [false; 2] && !alone {
                    continue;
                }
                // Of several tries, one that failed is not one that went well.
                let several = of_a.len() != of_b.len() && of_a.len().max(of_b.len()) > 2;
                let is_quiet = |run: usize, at: usize| {
                    let number = lists[run][at];
                    !talking[run].contains(&number) && !children[run].contains_key(&Some(number))
                };
                let alike = |a: usize, b: usize| {
                    let (a, b) = (of_a[a], of_b[b]);
                    !several
                        || keys[0][a].end == keys[1][b].end
                        || !is_quiet(0, a)
                        || !is_quiet(1, b)
                };
                for step in sequence::align(&ends(0, of_a), &ends(1, of_b), alike) {
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
            of.map(|at| Round::Numbers.key(&keys[run][at]))
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
                if waits(run, at) {
                    pairs.repeated[run].insert(number);
                    continue;
                }
                let twin = twins[run].contains(&Round::Numbers.key(&keys[run][*at]));
                let mut tree = vec![number];
                let mut next = 0;
                while let Some(one) = tree.get(next) {
                    tree.extend(children[run].get(&Some(*one)).into_iter().flatten());
                    next += 1;
                }
                let quiet = tree.iter().all(|one| !talkative[run].contains(one));
                // Whoever told nobody anything, wrote nothing and went well only waited.
                let idle = tree
                    .iter()
                    .all(|one| is_idle(runs[run], *one, &talking[run]));
                if twin && quiet || idle {
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
    strays::pair(runs, said, noise, &mut pairs);
    pairs
}

fn is_idle(run: &Run, process: u32, talking: &BTreeSet<u32>) -> bool {
    let known = run.processes.get(&process);
    !talking.contains(&process)
        && known.is_some_and(|known| {
            let went_well = matches!(known.end, Some((Ended::Status(0), _)));
            went_well && known.notes.is_empty() && known.inputs.written.is_empty()
        })
}

/// What a process is recognised by.
struct Key {
    name: String,
    argv: Vec<String>,
    end: u64,
    said: Option<u64>,
    /// A number for what it started, and what that started.
    tree: Option<u64>,
    /// It did nothing that anybody sees.
    idle: bool,
}

#[derive(Clone, Copy)]
enum Round {
    SaidAndTree,
    Said,
    Tree,
    Kind,
    /// With those that only waited.
    Waiting,
    /// But for numbers in the arguments, such as ports that a shell draws.
    Numbers,
    Program,
}

impl Round {
    /// Whoever said nothing is not told from others by that.
    fn takes(self, key: &Key) -> bool {
        match self {
            Round::SaidAndTree | Round::Said => key.said.is_some(),
            Round::Tree => key.tree.is_some(),
            Round::Kind | Round::Waiting | Round::Numbers => true,
            // Two that only waited are not one that waited otherwise.
            Round::Program => !key.idle,
        }
    }

    fn key(self, key: &Key) -> (String, Vec<String>, u64) {
        let (said, tree) = (key.said.unwrap_or(0), key.tree.unwrap_or(0));
        let of = |number: u64| (key.name.clone(), key.argv.clone(), number);
        match self {
            Round::SaidAndTree => of(said.rotate_left(1) ^ tree),
            Round::Said => of(said),
            Round::Tree => of(tree),
            Round::Kind | Round::Waiting => of(0),
            Round::Numbers => (key.name.clone(), without_digits(&key.argv), 0),
            Round::Program => (key.name.clone(), Vec::new(), 0),
        }
    }
}

fn without_digits(argv: &[String]) -> Vec<String> {
    let digit = |c: char| c.is_ascii_digit();
    // What is known to be a number, such as a port, is one.
    let plain = |word: &String| {
        word.replace("<port>", "")
            .replace("<pid>", "")
            .replace(digit, "")
    };
    argv.iter().map(plain).collect()
}

/// A number for what each process started, by programs and arguments.
fn trees(
    run: &Run,
    children: &BTreeMap<Option<u32>, Vec<u32>>,
    noise: &mut Noise,
) -> BTreeMap<u32, u64> {
    let mut trees: BTreeMap<u32, u64> = BTreeMap::new();
    // Children have higher numbers than their parents.
    for number in run.processes.keys().rev() {
        let Some(own) = children.get(&Some(*number)) else {
            continue;
        };
        let mut hasher = FxHasher::default();
        for child in own {
            let Some(known) = run.processes.get(child) else {
                continue;
            };
            for word in masked::arguments(noise, known) {
                hasher.write(word.as_bytes());
                hasher.write_u8(0);
            }
            hasher.write_u64(trees.get(child).copied().unwrap_or(1));
        }
        trees.insert(*number, hasher.finish());
    }
    trees
}

fn keys(
    run: &Run,
    list: &[u32],
    (said, trees): (&BTreeMap<u32, u64>, &BTreeMap<u32, u64>),
    talking: &BTreeSet<u32>,
    noise: &mut Noise,
) -> Vec<Key> {
    let keys = list.iter().filter_map(|number| {
        let process = run.processes.get(number)?;
        let end = match &process.end {
            Some((Ended::Status(status), _)) => u64::from(*status),
            Some((Ended::Signal(_) | Ended::Killed, _)) => 1000,
            Some((Ended::Unknown, _)) | None => u64::MAX,
        };
        Some(Key {
            name: process.name.clone(),
            argv: masked::arguments(noise, process),
            end,
            said: said.get(number).copied(),
            tree: trees.get(number).copied(),
            idle: is_idle(run, *number, talking),
        })
    });
    keys.collect()
}
