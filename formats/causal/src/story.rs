//! The facts of a recording one by one, causes before effects, while the trace is being read.
//!
//! Events carry the time at which their calls returned, and a send may return after what it sent has
//! been received. So what was received is held back until what was sent has been handed out, and with
//! it all that follows in its group of tasks. Where that does not come within a moment, it was sent
//! by somebody outside, or its event is missing.

use std::collections::{BTreeMap, VecDeque};

use reenact_trace::{Event, Reader, StreamId, TraceError};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::connections::{Connections, Peer};
use crate::fact::{Fact, Moment, Place};
use crate::ids::EventId;
use crate::merge::{Merge, Next};
use crate::tracker::{Process, Tracker};

/// How long something is waited for, in the recording's time, and over how many facts.
const WAITS_NS: u64 = 100_000_000;
const WAITING_MAX: usize = 1024;
/// Tasks that wait for what is seen later.
const AWAITING_MAX: usize = 64;
/// How long a task's first events wait for the call that made it.
const PARENT_WAITS_NS: u64 = 1_000_000_000;

/// A walk over a recording.
pub struct Story {
    merge: Merge,
    tracker: Tracker,
    /// Facts that have not been handed out, as they were learnt.
    waiting: VecDeque<Moment>,
    /// Sent so far, of what has been handed out: per connection and side.
    told: FxHashMap<(u32, usize), u64>,
    /// Tasks whose maker has not been seen, since when.
    orphans: VecDeque<(StreamId, u64)>,
    accepted: FxHashSet<StreamId>,
    /// Tasks whose next event has received what was not seen being sent yet: the event, its time, and
    /// what had been sent by others when that was last looked at.
    awaiting: BTreeMap<StreamId, (EventId, u64, u64)>,
    /// Calls that sent something, so far.
    sends: u64,
    now_ns: u64,
    read_all: bool,
    fresh: Vec<Moment>,
}

impl Story {
    /// A walk over the selected recording.
    pub fn new(reader: &Reader) -> Story {
        Story {
            merge: Merge::new(reader),
            tracker: Tracker::new(),
            waiting: VecDeque::new(),
            told: FxHashMap::default(),
            orphans: VecDeque::new(),
            accepted: FxHashSet::default(),
            awaiting: BTreeMap::new(),
            sends: 0,
            now_ns: 0,
            read_all: false,
            fresh: Vec::new(),
        }
    }

    /// Processes so far. They may be a little ahead of the facts that were handed out.
    pub fn processes(&self) -> &BTreeMap<u32, Process> {
        self.tracker.processes()
    }

    pub fn process(&self, number: u32) -> Option<&Process> {
        self.tracker.processes().get(&number)
    }

    /// Connections so far, likewise.
    pub fn connections(&self) -> &Connections {
        self.tracker.connections()
    }

    /// The next fact, or `None` at the end.
    pub fn next(&mut self, reader: &mut Reader) -> Result<Option<Moment>, TraceError> {
        loop {
            if let Some(moment) = self.ready() {
                return Ok(Some(self.tell(moment)));
            }
            if self.read_all {
                return Ok(None);
            }
            self.advance(reader)?;
        }
    }

    /// Takes one more event.
    fn advance(&mut self, reader: &mut Reader) -> Result<(), TraceError> {
        let Some(next) = self.merge.next(reader)? else {
            self.read_all = true;
            return Ok(());
        };
        match next {
            Next::Event { id, time_ns, event } => {
                self.now_ns = self.now_ns.max(time_ns);
                if self.is_orphan(id) {
                    self.merge.hold(id, time_ns, event);
                    self.orphans.push_back((id.stream, time_ns));
                    return Ok(());
                }
                if self.must_wait(id, time_ns, &event) {
                    self.merge.hold(id, time_ns, event);
                    return Ok(());
                }
                self.tracker.event(id, time_ns, &event, &mut self.fresh);
                for moment in &self.fresh {
                    if let Fact::Spawn { child, .. } = moment.fact {
                        if let Some(at) = self.orphans.iter().position(|(one, _)| *one == child) {
                            self.orphans.remove(at);
                            self.merge.release(child);
                        }
                    }
                }
            }
            Next::End(end) => self.tracker.end(&end, self.now_ns, &mut self.fresh),
        }
        let sends = |moment: &Moment| matches!(moment.fact, Fact::Send { .. });
        let sent = self.fresh.iter().any(sends);
        self.sends += u64::from(sent);
        for (stream, (_, since, _)) in &self.awaiting {
            if sent || since.saturating_add(WAITS_NS) < self.now_ns {
                self.merge.release(*stream);
            }
        }
        self.waiting.extend(self.fresh.drain(..));
        while let Some((stream, since)) = self.orphans.front().copied() {
            if since.saturating_add(PARENT_WAITS_NS) > self.now_ns {
                break;
            }
            self.orphans.pop_front();
            self.accepted.insert(stream);
            self.merge.release(stream);
        }
        Ok(())
    }

    /// Whether an event must wait for one that is seen later, because its call returned later.
    fn must_wait(&mut self, id: EventId, time_ns: u64, event: &Event) -> bool {
        let stream = id.stream;
        let before = self
            .awaiting
            .get(&stream)
            .filter(|(known, ..)| *known == id);
        // Handed out again although nothing was sent meanwhile: nothing else is left.
        let pointless = before.is_some_and(|(_, _, sends)| *sends == self.sends);
        let late = time_ns.saturating_add(WAITS_NS) < self.now_ns;
        let many = before.is_none() && self.awaiting.len() >= AWAITING_MAX;
        if pointless || late || many || !self.tracker.awaits(id, event) {
            self.awaiting.remove(&stream);
            return false;
        }
        self.awaiting.insert(stream, (id, time_ns, self.sends));
        true
    }

    /// Whether an event is the first of a task that nothing seen so far has made.
    fn is_orphan(&mut self, id: EventId) -> bool {
        if self.tracker.knows(id.stream) || self.accepted.contains(&id.stream) {
            return false;
        }
        if self.orphans.iter().any(|(stream, _)| *stream == id.stream) {
            // Released because nothing else is left.
            self.orphans.retain(|(stream, _)| *stream != id.stream);
            self.accepted.insert(id.stream);
            return false;
        }
        true
    }

    /// The first fact that nothing is missing for.
    fn ready(&mut self) -> Option<Moment> {
        let first = self.waiting.front()?;
        let late = first.time_ns.saturating_add(WAITS_NS) < self.now_ns;
        let forced = late || self.read_all || self.waiting.len() > WAITING_MAX;
        let at = self.first_ready(false).or_else(|| {
            let stuck = forced || self.is_seen(first);
            let overtaking = stuck.then(|| self.first_ready(true)).flatten();
            // What can be handed out in order is; the first one goes if nothing else can.
            overtaking.or(forced.then_some(0))
        })?;
        self.waiting.remove(at)
    }

    /// A group may have taken an answer in before the call that sent the question returned to another
    /// of its tasks, and so stands in front of it. `overtaking` lets what was sent go ahead of what its
    /// group waits for, if its call may have begun before.
    fn first_ready(&self, overtaking: bool) -> Option<usize> {
        let mut blocked: Vec<Place> = Vec::new();
        for (at, moment) in self.waiting.iter().enumerate() {
            let chain = moment.place.chain;
            if let Some(first) = blocked.iter().find(|place| place.chain == chain) {
                let began = moment.since.map(|(place, _)| place);
                let before =
                    began.is_some_and(|place| place.chain == chain && place.order < first.order);
                let sends = matches!(moment.fact, Fact::Send { .. });
                if !overtaking || !sends || !before {
                    continue;
                }
                return Some(at);
            }
            if !self.waits(moment) {
                return Some(at);
            }
            blocked.push(moment.place);
        }
        None
    }

    /// Whether what a fact received is known to have been sent.
    fn is_seen(&self, moment: &Moment) -> bool {
        let Fact::Receive {
            connection,
            from,
            offset,
            bytes,
            ..
        } = &moment.fact
        else {
            return false;
        };
        let known = self.tracker.connections().get(*connection);
        !known.channel.keeps_messages()
            && known.streams[from.index()].sent >= offset.saturating_add(bytes.len)
    }

    /// Whether something that comes before this fact has not been handed out.
    fn waits(&self, moment: &Moment) -> bool {
        let connections = self.tracker.connections();
        match &moment.fact {
            Fact::Open {
                connection, side, ..
            } => {
                // An accepted end: its client is known very soon if it is recorded at all.
                let other = &connections.get(*connection).ends[side.other().index()];
                other.process.is_none()
                    && connections.peer(*connection, side.other())
                        == Peer::Outside(other.address.as_ref())
                    && side.index() == 1
            }
            Fact::Receive {
                connection,
                from,
                offset,
                bytes,
                ..
            } => {
                if *offset == u64::MAX {
                    return false;
                }
                let known = connections.get(*connection);
                let Peer::Process(_) = connections.peer(*connection, *from) else {
                    return false;
                };
                let len = if known.channel.keeps_messages() {
                    1
                } else {
                    bytes.len
                };
                self.told(connection.0, from.index()) < offset.saturating_add(len)
            }
            Fact::EndOfStream { connection, from } => {
                let known = connections.get(*connection);
                let sent = known.streams[from.index()].sent;
                known.ends[from.index()].process.is_some()
                    && self.told(connection.0, from.index()) < sent
            }
            Fact::Start { by, .. } | Fact::Signal { by, .. } | Fact::End { by, .. } => {
                by.is_some_and(|by| self.holds(|one| one.event == by && by != moment.event))
            }
            Fact::Wait { child, .. } => self.holds(|one| {
                matches!(one.fact, Fact::End { .. }) && one.event.stream.process == *child
            }),
            Fact::Spawn { .. } | Fact::Exec { .. } | Fact::Kill { .. } => false,
            Fact::Fault { .. } | Fact::Listen { .. } | Fact::Refused { .. } => false,
            Fact::Close { .. } | Fact::Send { .. } | Fact::Standard { .. } => false,
            Fact::Unrecorded { .. } | Fact::Gap { .. } | Fact::Mark { .. } => false,
            Fact::Chain { .. } | Fact::KeyLog { .. } => false,
        }
    }

    /// Whether such a fact has not been handed out: its group may wait for something else.
    fn holds(&self, such: impl Fn(&Moment) -> bool) -> bool {
        self.waiting.iter().any(such)
    }

    fn told(&self, connection: u32, side: usize) -> u64 {
        self.told.get(&(connection, side)).copied().unwrap_or(0)
    }

    fn tell(&mut self, moment: Moment) -> Moment {
        if let Fact::Send {
            connection,
            from,
            offset,
            bytes,
        } = &moment.fact
        {
            let known = self.connections().get(*connection);
            let len = if known.channel.keeps_messages() {
                1
            } else {
                bytes.len
            };
            let told = self.told.entry((connection.0, from.index())).or_default();
            *told = (*told).max(offset.saturating_add(len));
        }
        moment
    }
}
