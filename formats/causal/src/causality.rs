//! What happened before what.
//!
//! Events of a chain (a group of tasks that ran one at a time) have one order. Links between chains (a
//! message, a fork, a wait) order events of different chains. An event happened before another if a
//! way leads from one to the other along chains and links.
//!
//! A vector clock per event would be a number per chain and event. Here clocks exist only where links
//! leave and arrive, are shared as long as they do not change, and are kept at intervals: a question
//! starts at the last kept clocks before the later event, and walks the links from there. So memory
//! grows with the links, not with events times chains, and a question costs a bounded walk.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::fact::{ConnectionId, Place, Side};
use crate::ids::EventId;

/// Clocks are kept at least so many ends of links apart.
const KEEP_EVERY: usize = 4096;
/// And so many times the number of chains apart, so that kept clocks stay in proportion to links.
const KEEP_PER_CHAIN: usize = 32;

/// Why one event came before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// Bytes `start..end` (or messages) that one sent and the other received: over which connection,
    /// from which side.
    Bytes {
        connection: ConnectionId,
        from: Side,
        start: u64,
        end: u64,
    },
    /// One connected, the other accepted.
    Connect(ConnectionId),
    /// One closed, the other saw the end.
    Close(ConnectionId),
    /// One made the task that the other is the first event of.
    Spawn,
    /// One was the end of a process, the other took note of it.
    Wait,
    /// One sent the signal that the other was.
    Signal,
    /// The same task, whose events were ordered in another chain before.
    Chain,
    /// Both wrote to the run's own outputs, which have one order. This is known to be the order, but it
    /// is no cause.
    Output,
}

impl LinkKind {
    /// Whether one is a cause of the other, rather than only earlier.
    pub fn is_cause(self) -> bool {
        match self {
            LinkKind::Bytes { .. } | LinkKind::Connect(_) | LinkKind::Close(_) => true,
            LinkKind::Spawn | LinkKind::Wait | LinkKind::Signal | LinkKind::Chain => true,
            LinkKind::Output => false,
        }
    }
}

/// An event with its place, as an end of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    pub event: EventId,
    pub place: Place,
    /// CLOCK_MONOTONIC nanoseconds, of the call's return.
    pub time_ns: u64,
    /// The task's event before, after which the call began.
    pub since: Option<(Place, u64)>,
}

/// One event came before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub kind: LinkKind,
    pub from: Point,
    pub to: Point,
}

impl Link {
    fn overlaps(&self) -> bool {
        self.from.time_ns >= self.to.time_ns
    }

    /// The place up to which the second event knows the chain of the first.
    fn began(&self) -> Place {
        match self.from.since {
            Some((place, _)) if self.overlaps() => place,
            _ => self.from.place,
        }
    }
}

/// An end of a link, in the order of time.
#[derive(Clone, Copy, Debug)]
struct Node {
    time_ns: u64,
    chain: u32,
    order: u64,
    link: u32,
    arrives: bool,
    /// Position among the nodes of its chain, from 1.
    ordinal: u32,
    /// The last node of its chain up to this one at which a cause arrives, and the first one from
    /// this on at which one leaves; `NONE` if there is none.
    arrival: u32,
    departure: u32,
}

const NONE: u32 = u32::MAX;

/// For each chain, up to which of its nodes something is known.
type Clock = Arc<Vec<u32>>;

/// What a link carries: all that its chain knew when it left, and the chain itself up to there. These
/// are apart so that links which leave in a row share one clock.
#[derive(Clone)]
struct Carried {
    clock: Clock,
    chain: u32,
    ordinal: u32,
}

impl Carried {
    fn knows(&self, chain: usize, ordinal: u32) -> bool {
        self.clock[chain] >= ordinal || self.chain as usize == chain && self.ordinal >= ordinal
    }
}

/// All clocks at one moment.
struct Kept {
    /// Nodes that had been walked.
    walked: usize,
    clocks: Vec<Clock>,
    /// Links that had left and not arrived, with what they carried.
    under_way: FxHashMap<u32, Carried>,
}

/// Answers questions of order.
pub struct Causality {
    links: Vec<Link>,
    nodes: Vec<Node>,
    /// Chains, ascending; elsewhere they go by their position here.
    chains: Vec<u32>,
    /// Nodes of each chain, by their order.
    of_chain: Vec<Vec<u32>>,
    kept: Vec<Kept>,
    /// Links whose first event returned after the second did, by the first event's place: the second
    /// knows what came before the call, and the call itself.
    overlapping: FxHashMap<Place, Vec<u32>>,
    dropped: u64,
}

impl Causality {
    /// Builds the order from links, in any order.
    pub fn new(links: Vec<Link>) -> Causality {
        Causality::keeping(links, KEEP_EVERY, KEEP_PER_CHAIN)
    }

    /// The same with clocks kept so many ends of links apart, and so many times the chains.
    pub(crate) fn keeping(mut links: Vec<Link>, every: usize, per_chain: usize) -> Causality {
        links.retain(|link| link.from.place.chain != link.to.place.chain);
        links.sort_by_key(|link| (link.to.time_ns, link.to.event, link.from.event, link.kind));
        links.dedup();
        links.truncate(u32::MAX as usize / 2);
        let mut chains: Vec<u32> = links
            .iter()
            .flat_map(|link| [link.from.place.chain, link.to.place.chain])
            .chain(
                links
                    .iter()
                    .filter_map(|link| Some(link.from.since?.0.chain)),
            )
            .collect();
        chains.sort_unstable();
        chains.dedup();
        let mut causality = Causality {
            of_chain: vec![Vec::new(); chains.len()],
            links,
            nodes: Vec::new(),
            chains,
            kept: Vec::new(),
            overlapping: FxHashMap::default(),
            dropped: 0,
        };
        causality.place_nodes();
        let every = every
            .max(causality.chains.len().saturating_mul(per_chain))
            .max(1);
        causality.walk_clocks(every);
        causality
    }

    /// Links that no clock could be made to agree with, and were left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The links without the order, to build another with more.
    pub(crate) fn into_links(self) -> Vec<Link> {
        self.links
    }

    fn chain(&self, chain: u32) -> Option<usize> {
        self.chains.binary_search(&chain).ok()
    }

    fn place_nodes(&mut self) {
        let mut nodes = Vec::with_capacity(self.links.len() * 2);
        for (at, link) in self.links.iter().enumerate() {
            let overlaps = link.overlaps();
            let left = match (overlaps, link.from.since) {
                (false, _) => Some((link.from.place, link.from.time_ns)),
                (true, since) => since.filter(|(_, time_ns)| *time_ns < link.to.time_ns),
            };
            if overlaps {
                let known = self.overlapping.entry(link.from.place).or_default();
                known.push(at as u32);
            }
            let Some((place, time_ns)) = left else {
                // The first event of a task knows of nothing before it.
                self.dropped += u64::from(link.from.since.is_some());
                continue;
            };
            let mut node = |place: Place, time_ns, arrives| {
                let chain = self.chains.binary_search(&place.chain);
                nodes.push(Node {
                    time_ns,
                    chain: chain.expect("each link's chains were gathered") as u32,
                    order: place.order,
                    link: at as u32,
                    arrives,
                    ordinal: 0,
                    arrival: NONE,
                    departure: NONE,
                });
            };
            node(place, time_ns, false);
            node(link.to.place, link.to.time_ns, true);
        }
        // Times of a chain never decrease; what says otherwise is brought into line.
        nodes.sort_by_key(|node| (node.chain, node.order, !node.arrives, node.link));
        let mut before = (u32::MAX, 0);
        for node in &mut nodes {
            if before.0 == node.chain {
                node.time_ns = node.time_ns.max(before.1);
            }
            before = (node.chain, node.time_ns);
        }
        nodes.sort_by_key(|node| {
            (
                node.time_ns,
                node.chain,
                node.order,
                !node.arrives,
                node.link,
            )
        });
        for (at, node) in nodes.iter_mut().enumerate() {
            let chain = &mut self.of_chain[node.chain as usize];
            chain.push(at as u32);
            node.ordinal = chain.len() as u32;
        }
        for chain in &self.of_chain {
            let is_cause = |node: &Node| self.links[node.link as usize].kind.is_cause();
            let (mut arrival, mut departure) = (NONE, NONE);
            for at in chain {
                let node = &mut nodes[*at as usize];
                if node.arrives && is_cause(node) {
                    arrival = *at;
                }
                node.arrival = arrival;
            }
            for at in chain.iter().rev() {
                let node = &mut nodes[*at as usize];
                if !node.arrives && is_cause(node) {
                    departure = *at;
                }
                node.departure = departure;
            }
        }
        self.nodes = nodes;
    }

    fn walk_clocks(&mut self, every: usize) {
        let count = self.chains.len();
        let nothing: Clock = Arc::new(vec![0; count]);
        let mut clocks: Vec<Clock> = vec![nothing; count];
        let mut under_way: FxHashMap<u32, Carried> = FxHashMap::default();
        for (at, node) in self.nodes.iter().enumerate() {
            if at % every == 0 {
                self.kept.push(Kept {
                    walked: at,
                    clocks: clocks.clone(),
                    under_way: under_way.clone(),
                });
            }
            let chain = node.chain as usize;
            if !node.arrives {
                let carried = Carried {
                    clock: clocks[chain].clone(),
                    chain: node.chain,
                    ordinal: node.ordinal,
                };
                under_way.insert(node.link, carried);
                continue;
            }
            match under_way.remove(&node.link) {
                Some(carried) => join(&mut clocks[chain], &carried),
                // It arrives before it left: clocks of the machine disagree.
                None => self.dropped += 1,
            }
        }
    }

    /// Whether an event at one place is known to have happened before an event at another.
    pub fn happens_before(&self, a: Place, b: Place) -> bool {
        if a.chain == b.chain {
            return a.order < b.order;
        }
        if self.leads_to(a, b) {
            return true;
        }
        let overlapping = self.overlapping.get(&a);
        overlapping.into_iter().flatten().any(|link| {
            let to = self.links[*link as usize].to;
            if to.place.chain == b.chain {
                to.place.order <= b.order
            } else {
                self.leads_to(to.place, b)
            }
        })
    }

    fn leads_to(&self, a: Place, b: Place) -> bool {
        let (Some(from), Some(to)) = (self.chain(a.chain), self.chain(b.chain)) else {
            return false;
        };
        // The first node at or after the event: whoever knows it knows the event.
        let nodes = &self.of_chain[from];
        let first = nodes.partition_point(|node| self.nodes[*node as usize].order < a.order);
        let Some(first) = nodes.get(first) else {
            return false;
        };
        let ordinal = self.nodes[*first as usize].ordinal;
        // The walk ends at the last node of the later event's chain that is not after it.
        let nodes = &self.of_chain[to];
        let upto = nodes.partition_point(|node| self.nodes[*node as usize].order <= b.order);
        let Some(last) = upto.checked_sub(1) else {
            return false;
        };
        let end = nodes[last] as usize + 1;
        let kept = self.kept.partition_point(|kept| kept.walked <= end);
        let Some(kept) = kept.checked_sub(1) else {
            return false;
        };
        self.walk_from(&self.kept[kept], (from, ordinal), to, end)
    }

    /// Walks nodes from kept clocks on, and says whether the chain `to` learns of a node.
    fn walk_from(&self, kept: &Kept, (from, ordinal): (usize, u32), to: usize, end: usize) -> bool {
        let clocks = kept.clocks.iter();
        let mut reached: Vec<bool> = clocks.map(|clock| clock[from] >= ordinal).collect();
        reached[from] = false;
        if reached[to] {
            return true;
        }
        let mut carried: FxHashSet<u32> = FxHashSet::default();
        for node in &self.nodes[kept.walked.min(end)..end] {
            let chain = node.chain as usize;
            if !node.arrives {
                let own = chain == from && node.ordinal >= ordinal;
                if own || reached[chain] {
                    carried.insert(node.link);
                }
                continue;
            }
            let before = kept.under_way.get(&node.link);
            let before = before.is_some_and(|carried| carried.knows(from, ordinal));
            if before || carried.contains(&node.link) {
                if chain == to {
                    return true;
                }
                reached[chain] = chain != from;
            }
        }
        false
    }

    /// The node at which the last cause arrived that an event at this place knows.
    fn arrival_before(&self, place: Place) -> Option<u32> {
        let nodes = &self.of_chain[self.chain(place.chain)?];
        let upto = nodes.partition_point(|node| self.nodes[*node as usize].order <= place.order);
        let last = nodes[upto.checked_sub(1)?];
        some(self.nodes[last as usize].arrival)
    }

    /// The node at which the first cause left that an event at this place is known to.
    fn departure_after(&self, place: Place) -> Option<u32> {
        let nodes = &self.of_chain[self.chain(place.chain)?];
        let from = nodes.partition_point(|node| self.nodes[*node as usize].order < place.order);
        some(self.nodes[*nodes.get(from)? as usize].departure)
    }

    /// The next node to walk to within the chain of one: further back, or further on.
    fn beside(&self, way: Way, node: u32) -> Option<u32> {
        let Node { chain, ordinal, .. } = self.nodes[node as usize];
        let nodes = &self.of_chain[chain as usize];
        let ordinal = ordinal as usize;
        match way {
            Way::Causes => some(self.nodes[nodes[ordinal.checked_sub(2)?] as usize].arrival),
            Way::Effects => some(self.nodes[*nodes.get(ordinal)? as usize].departure),
        }
    }

    /// The next node to walk to beyond a link: in the chain that it comes from, or goes to.
    fn beyond(&self, way: Way, link: &Link) -> Option<u32> {
        match way {
            Way::Causes => self.arrival_before(link.began()),
            Way::Effects => self.departure_after(link.to.place),
        }
    }

    /// Links that led to an event, the ones that arrived last first, at most `limit`. Links that are
    /// no causes are not followed.
    pub fn causes_of(&self, place: Place, limit: usize) -> Vec<Link> {
        let mut found = Vec::new();
        let mut seen: FxHashSet<u32> = FxHashSet::default();
        // Nodes are in the order of time.
        let mut heap: BinaryHeap<u32> = BinaryHeap::new();
        let start = self.arrival_before(place);
        heap.extend(start.filter(|node| seen.insert(*node)));
        while let Some(at) = heap.pop() {
            if found.len() == limit {
                break;
            }
            let link = self.links[self.nodes[at as usize].link as usize];
            found.push(link);
            let next = [
                self.beside(Way::Causes, at),
                self.beyond(Way::Causes, &link),
            ];
            let next = next.into_iter().flatten();
            heap.extend(next.filter(|node| seen.insert(*node)));
        }
        found
    }

    /// Links that an event led to, the ones that left first first, at most `limit`.
    pub fn effects_of(&self, place: Place, limit: usize) -> Vec<Link> {
        let mut found = Vec::new();
        let mut told: FxHashSet<u32> = FxHashSet::default();
        let mut seen: FxHashSet<u32> = FxHashSet::default();
        let mut heap: BinaryHeap<Reverse<u32>> = BinaryHeap::new();
        let mut ends: Vec<Option<u32>> = vec![self.departure_after(place)];
        for at in self.at_once(place) {
            let link = self.links[*at as usize];
            if link.kind.is_cause() && found.len() < limit {
                told.insert(*at);
                found.push(link);
                ends.push(self.beyond(Way::Effects, &link));
            }
        }
        let ends = ends.into_iter().flatten();
        heap.extend(ends.filter(|node| seen.insert(*node)).map(Reverse));
        while let Some(Reverse(at)) = heap.pop() {
            if found.len() == limit {
                break;
            }
            let node = self.nodes[at as usize];
            let link = self.links[node.link as usize];
            if told.insert(node.link) {
                found.push(link);
            }
            let next = [
                self.beside(Way::Effects, at),
                self.beyond(Way::Effects, &link),
            ];
            let next = next.into_iter().flatten();
            heap.extend(next.filter(|node| seen.insert(*node)).map(Reverse));
        }
        found
    }

    /// Links that arrived before the call returned that they left from: the first of its effects.
    fn at_once(&self, place: Place) -> &[u32] {
        self.overlapping.get(&place).map_or(&[], Vec::as_slice)
    }

    /// What [`Causality::causes_of`] or [`Causality::effects_of`] walks over, for whoever walks
    /// elsewhere.
    pub fn steps(&self, way: Way) -> Steps<'_> {
        let wanted = |node: &&Node| {
            node.arrives == (way == Way::Causes) && self.links[node.link as usize].kind.is_cause()
        };
        let nodes = (0..).zip(&self.nodes);
        let nodes = nodes.filter(|(_, node)| wanted(node));
        Steps {
            causality: self,
            way,
            nodes: nodes.map(|(at, _)| at).collect(),
        }
    }
}

/// Which way links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Causes,
    Effects,
}

/// The ends of links at which a walk to causes, or to effects, can be, in the order of time. The walk
/// begins at [`Steps::start`], goes on from each step to the one beside it and the one beyond its
/// link, and always takes the latest step next (the earliest, to effects).
pub struct Steps<'a> {
    causality: &'a Causality,
    way: Way,
    nodes: Vec<u32>,
}

impl Steps<'_> {
    /// Of each step, the position of its link in [`Causality::links`], and the step beside it.
    pub fn all(&self) -> impl Iterator<Item = (u32, Option<u32>)> + '_ {
        self.nodes.iter().map(|node| {
            let link = self.causality.nodes[*node as usize].link;
            let beside = self.causality.beside(self.way, *node);
            (link, self.position(beside))
        })
    }

    pub fn start(&self, place: Place) -> Option<u32> {
        let node = match self.way {
            Way::Causes => self.causality.arrival_before(place),
            Way::Effects => self.causality.departure_after(place),
        };
        self.position(node)
    }

    /// The step beyond a link.
    pub fn beyond(&self, link: &Link) -> Option<u32> {
        self.position(self.causality.beyond(self.way, link))
    }

    /// Links that are found at once, in front of all steps: a walk goes on beyond these, too.
    pub fn at_once(&self, place: Place) -> impl Iterator<Item = u32> + '_ {
        let links = match self.way {
            Way::Causes => &[],
            Way::Effects => self.causality.at_once(place),
        };
        let is_cause = |at: &u32| self.causality.links[*at as usize].kind.is_cause();
        links.iter().copied().filter(is_cause)
    }

    fn position(&self, node: Option<u32>) -> Option<u32> {
        let at = self.nodes.binary_search(&node?).ok()?;
        u32::try_from(at).ok()
    }
}

fn some(node: u32) -> Option<u32> {
    (node != NONE).then_some(node)
}

/// Takes over what a link carries.
fn join(clock: &mut Clock, carried: &Carried) {
    if !Arc::ptr_eq(&carried.clock, clock) {
        let own = Arc::make_mut(clock).iter_mut();
        own.zip(carried.clock.iter())
            .for_each(|(own, other)| *own = (*own).max(*other));
    }
    let own = &mut Arc::make_mut(clock)[carried.chain as usize];
    *own = (*own).max(carried.ordinal);
}
