//! On whose behalf a process did something: which request it was serving at the time.
//!
//! A process that answers requests and makes others while it does so says nowhere which belongs to
//! which. What is certain is the order: between the receipt of a request and its reply, a task works
//! for it. Where a task has several such requests at once, all of them are named.

use rustc_hash::FxHashMap;

use crate::causality::Point;

/// How many requests back one that is still being served is looked for.
const OPEN_MAX: usize = 1024;
/// How many makers of processes are asked, from a child to its parent.
const PARENTS_MAX: usize = 64;

/// A request that a process received, by a number of the caller's.
#[derive(Clone, Copy, Debug)]
struct Job {
    request: usize,
    received: Point,
    /// Where its reply was sent.
    replied: Option<Point>,
}

/// Whom something was done for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behalf {
    Nobody,
    /// This request and no other.
    Request(usize),
    /// One of these, ascending.
    Several(Vec<usize>),
}

/// Requests that processes served.
#[derive(Default)]
pub struct Served {
    /// By process, in the order of receipt once [`Served::sort`] was called.
    jobs: FxHashMap<u32, Vec<Job>>,
    /// Where in its parent a process was made.
    made: FxHashMap<u32, Point>,
}

impl Served {
    /// A process received a request, and sent the reply if it did.
    pub fn add(&mut self, request: usize, received: Point, replied: Option<Point>) {
        let jobs = self.jobs.entry(received.event.stream.process).or_default();
        jobs.push(Job {
            request,
            received,
            replied,
        });
    }

    /// A process was made by a call of another one.
    pub fn made(&mut self, process: u32, by: Point) {
        self.made.entry(process).or_insert(by);
    }

    /// Puts what was added in order, before anything is asked.
    pub fn sort(&mut self) {
        for jobs in self.jobs.values_mut() {
            jobs.sort_by_key(|job| (job.received.time_ns, job.received.event, job.request));
        }
    }

    /// Which request was being served at a point. Where the process itself served none, the question
    /// is what its parent did when it made it.
    pub fn at(&self, point: Point) -> Behalf {
        let mut point = point;
        for _ in 0..PARENTS_MAX {
            let process = point.event.stream.process;
            match self.in_process(point) {
                Behalf::Nobody => {}
                found => return found,
            }
            match self.made.get(&process) {
                Some(by) => point = *by,
                None => break,
            }
        }
        Behalf::Nobody
    }

    fn in_process(&self, point: Point) -> Behalf {
        let Some(jobs) = self.jobs.get(&point.event.stream.process) else {
            return Behalf::Nobody;
        };
        let came = jobs.partition_point(|job| job.received.time_ns <= point.time_ns);
        let stream = point.event.stream;
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for job in jobs[..came].iter().rev().take(OPEN_MAX) {
            if !precedes(&job.received, &point) {
                continue;
            }
            let here = job.received.event.stream == stream;
            let open = match &job.replied {
                Some(replied) => precedes(&point, replied) || replied.event == point.event,
                // Never answered: given up at the latest when the task received the next request.
                None => here && own.is_empty() && is_last(&jobs[..came], job),
            };
            if open && here {
                own.push(job.request);
            } else if open {
                others.push(job.request);
            }
        }
        let mut found = if own.is_empty() { others } else { own };
        found.sort_unstable();
        match found[..] {
            [] => Behalf::Nobody,
            [one] => Behalf::Request(one),
            _ => Behalf::Several(found),
        }
    }
}

/// Whether the task received nothing after this request.
fn is_last(jobs: &[Job], job: &Job) -> bool {
    let of_task = |other: &&Job| other.received.event.stream == job.received.event.stream;
    let last = jobs.iter().rev().take(OPEN_MAX).find(of_task);
    last.is_some_and(|last| last.request == job.request)
}

/// Events of one process: by their order where they have one, else by time.
fn precedes(a: &Point, b: &Point) -> bool {
    if a.place.chain == b.place.chain {
        a.place.order < b.place.order
    } else {
        a.time_ns < b.time_ns
    }
}

#[cfg(test)]
mod tests {
    use reenact_trace::StreamId;

    use super::*;
    use crate::fact::Place;
    use crate::ids::EventId;

    fn point(process: u32, task: u32, at: u64) -> Point {
        Point {
            event: EventId::new(StreamId { process, task }, at),
            place: Place {
                chain: process,
                order: at,
            },
            time_ns: at,
            since: None,
        }
    }

    #[test]
    fn what_a_task_does_between_request_and_reply_is_for_that_request() {
        let mut served = Served::default();
        served.add(7, point(1, 1, 10), Some(point(1, 1, 20)));
        served.add(8, point(1, 2, 12), Some(point(1, 2, 30)));
        served.add(9, point(1, 1, 40), None);
        served.add(10, point(1, 1, 50), Some(point(1, 1, 60)));
        served.made(2, point(1, 2, 15));
        served.sort();
        assert_eq!(served.at(point(1, 1, 5)), Behalf::Nobody);
        assert_eq!(served.at(point(1, 1, 15)), Behalf::Request(7));
        assert_eq!(served.at(point(1, 2, 15)), Behalf::Request(8));
        // Another thread works for whoever is being served, if that is one.
        assert_eq!(served.at(point(1, 3, 15)), Behalf::Several(vec![7, 8]));
        assert_eq!(served.at(point(1, 3, 25)), Behalf::Request(8));
        assert_eq!(served.at(point(1, 1, 35)), Behalf::Nobody);
        assert_eq!(served.at(point(1, 1, 45)), Behalf::Request(9));
        assert_eq!(served.at(point(1, 1, 55)), Behalf::Request(10));
        assert_eq!(served.at(point(1, 1, 65)), Behalf::Nobody);
        // A child works for what its parent was serving when it made it.
        assert_eq!(served.at(point(2, 3, 100)), Behalf::Request(8));
    }

    #[test]
    fn requests_that_are_served_at_once_are_all_named() {
        let mut served = Served::default();
        served.add(1, point(1, 1, 10), Some(point(1, 1, 30)));
        served.add(2, point(1, 1, 11), Some(point(1, 1, 20)));
        served.sort();
        assert_eq!(served.at(point(1, 1, 15)), Behalf::Several(vec![1, 2]));
        assert_eq!(served.at(point(1, 1, 25)), Behalf::Request(1));
    }

    #[test]
    fn a_circle_of_makers_ends() {
        let mut served = Served::default();
        served.made(1, point(2, 1, 1));
        served.made(2, point(1, 1, 1));
        served.sort();
        assert_eq!(served.at(point(1, 1, 5)), Behalf::Nobody);
    }
}
