//! The table of locks, which every node has: who holds what, until when, and who waits for it.
//!
//! Commands go through it one after the other, in the order that the leader gave them.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::proto::command::What;
use crate::proto::{Command, Grant, Released, Renewal};

/// What a client is told, at the node that it asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    Grant(Grant),
    Renewal(Renewal),
    Released(Released),
}

/// The question that an answer is to: the node that was asked, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    pub node: u32,
    pub number: u64,
}

pub type Answers = Vec<(Question, Answer)>;

#[derive(Default)]
pub struct Table {
    locks: BTreeMap<String, Lock>,
}

#[derive(Default)]
struct Lock {
    lease: Option<Lease>,
    /// First come, first served.
    waiting: VecDeque<Waiter>,
    /// How many have had it.
    turns: u64,
    /// How many of them let their lease lapse.
    lapses: u64,
}

struct Lease {
    holder: String,
    ends: Instant,
    /// A renewal has come in time, and waits to be carried out.
    renewing: bool,
}

struct Waiter {
    holder: String,
    ttl: Duration,
    question: Question,
}

impl Table {
    /// Carries out a command that came to this node at a time. A lease begins now, and whether a renewal is in time
    /// depends on when it came.
    pub fn carry_out(&mut self, command: Command, came: Instant, now: Instant) -> Answers {
        let Command {
            lock,
            holder,
            node,
            number,
            what,
        } = command;
        let lock = self.locks.entry(lock).or_default();
        let question = Question { node, number };
        let mut answers = Answers::new();
        match what {
            Some(What::Acquire(acquire)) => {
                lock.waiting.push_back(Waiter {
                    holder,
                    ttl: ttl(acquire.ttl_ms),
                    question,
                });
                lock.give(false, now, &mut answers);
            }
            Some(What::Renew(renew)) => {
                let lease = lock.lease.as_mut();
                let lease = lease.filter(|lease| lease.holder == holder && came <= lease.ends);
                let held = lease.is_some();
                if let Some(lease) = lease {
                    lease.ends = now + ttl(renew.ttl_ms);
                    lease.renewing = false;
                }
                answers.push((question, Answer::Renewal(Renewal { held })));
            }
            Some(What::Release(_)) => {
                lock.lease.take_if(|lease| lease.holder == holder);
                lock.waiting.retain(|waiter| waiter.holder != holder);
                answers.push((question, Answer::Released(Released {})));
                lock.give(false, now, &mut answers);
            }
            None => {}
        }
        answers
    }

    /// A renewal has come that will be carried out when it is on enough disks: the holder is not to lose
    /// the lock because of our own slowness.
    pub fn announce(&mut self, command: &Command, came: Instant) {
        let lease = self.locks.get_mut(&command.lock);
        let lease = lease.and_then(|lock| lock.lease.as_mut());
        let lease = lease.filter(|lease| lease.holder == command.holder && came <= lease.ends);
        if let (Some(lease), Some(What::Renew(_))) = (lease, &command.what) {
            lease.renewing = true;
        }
    }

    /// Takes back what was not renewed in time, and gives it to those who wait.
    pub fn lapse(&mut self, now: Instant) -> Answers {
        let mut answers = Answers::new();
        for lock in self.locks.values_mut() {
            let lapsed = |lease: &mut Lease| lease.ends < now && !lease.renewing;
            if lock.lease.take_if(lapsed).is_some() {
                lock.lapses += 1;
                lock.give(true, now, &mut answers);
            }
        }
        answers
    }

    /// When the next lease ends.
    pub fn next_end(&self) -> Option<Instant> {
        let leases = self.locks.values().filter_map(|lock| lock.lease.as_ref());
        let leases = leases.filter(|lease| !lease.renewing);
        leases.map(|lease| lease.ends).min()
    }

    /// What must be the same on each node that has carried out the same commands: all but the clock's.
    pub fn state(&self) -> String {
        let locks = self.locks.iter().map(|(name, lock)| {
            let holder = lock.lease.as_ref().map_or("nobody", |lease| &lease.holder);
            let waiting = lock.waiting.iter().map(|waiter| waiter.holder.as_str());
            let waiting: Vec<&str> = waiting.collect();
            let (turns, lapses) = (lock.turns, lock.lapses);
            format!("{name}: {holder}, then {waiting:?}; {turns} turns, {lapses} lapses\n")
        });
        locks.collect()
    }
}

impl Lock {
    /// Gives the lock to whoever waits longest, if nobody has it.
    fn give(&mut self, lapsed: bool, now: Instant, answers: &mut Answers) {
        if self.lease.is_some() {
            return;
        }
        let Some(next) = self.waiting.pop_front() else {
            return;
        };
        self.turns += 1;
        let turn = self.turns;
        answers.push((next.question, Answer::Grant(Grant { turn, lapsed })));
        self.lease = Some(Lease {
            holder: next.holder,
            ends: now + next.ttl,
            renewing: false,
        });
    }
}

fn ttl(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Acquire, Release, Renew};

    const TTL_MS: u32 = 100;

    fn command(holder: &str, number: u64, what: What) -> Command {
        Command {
            lock: "ledger".to_owned(),
            holder: holder.to_owned(),
            node: 1,
            number,
            what: Some(what),
        }
    }

    fn acquire(holder: &str, number: u64) -> Command {
        command(holder, number, What::Acquire(Acquire { ttl_ms: TTL_MS }))
    }

    fn renew(holder: &str, number: u64) -> Command {
        command(holder, number, What::Renew(Renew { ttl_ms: TTL_MS }))
    }

    /// The answers of a table to commands that come, and are carried out, at these milliseconds.
    fn answers(
        table: &mut Table,
        start: Instant,
        commands: Vec<(u64, Command)>,
    ) -> Vec<(u64, Answer)> {
        let mut all = Vec::new();
        for (ms, command) in commands {
            let now = start + Duration::from_millis(ms);
            let mut fresh = table.lapse(now);
            fresh.extend(table.carry_out(command, now, now));
            let told = fresh.into_iter();
            all.extend(told.map(|(question, answer)| (question.number, answer)));
        }
        all
    }

    fn grant(turn: u64, lapsed: bool) -> Answer {
        Answer::Grant(Grant { turn, lapsed })
    }

    #[test]
    fn whoever_waits_longest_is_next() {
        let release = command("a", 4, What::Release(Release {}));
        let commands = vec![
            (0, acquire("a", 1)),
            (1, acquire("b", 2)),
            (2, acquire("c", 3)),
            (3, release),
        ];
        let released = Answer::Released(Released {});
        let expected = [(1, grant(1, false)), (4, released), (2, grant(2, false))];
        assert_eq!(
            answers(&mut Table::default(), Instant::now(), commands),
            expected
        );
    }

    #[test]
    fn a_lease_that_is_not_renewed_in_time_is_lost() {
        let commands = vec![
            (0, acquire("a", 1)),
            (1, acquire("b", 2)),
            (99, renew("a", 3)),
            (198, renew("a", 4)),
            (299, renew("a", 5)),
        ];
        let held = |held| Answer::Renewal(Renewal { held });
        let expected = [
            (1, grant(1, false)),
            (3, held(true)),
            (4, held(true)),
            (2, grant(2, true)),
            (5, held(false)),
        ];
        assert_eq!(
            answers(&mut Table::default(), Instant::now(), commands),
            expected
        );
    }

    #[test]
    fn tables_that_carried_out_the_same_are_equal() {
        let commands = || {
            vec![
                (0, acquire("a", 1)),
                (10, acquire("b", 2)),
                (20, renew("a", 3)),
            ]
        };
        let mut tables = [Table::default(), Table::default()];
        for table in &mut tables {
            answers(table, Instant::now(), commands());
        }
        assert_eq!(tables[0].state(), tables[1].state());
        assert!(tables[0].state().contains("ledger: a, then [\"b\"]"));
    }
}
