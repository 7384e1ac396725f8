use std::collections::BTreeSet;
use std::time::Instant;

use reenact_trace::StreamId;

use super::Dice;
use crate::causality::{Causality, Link, LinkKind, Point, Way};
use crate::fact::Place;
use crate::ids::EventId;

/// Event number `order` of a chain with one task; `now` counts over all chains, and is the time.
fn point(chain: u32, order: u64, time_ns: u64, before: Option<(u64, u64)>) -> Point {
    let stream = StreamId {
        process: chain,
        task: chain,
    };
    Point {
        event: EventId::new(stream, order),
        place: Place { chain, order },
        time_ns,
        since: before.map(|(order, time_ns)| (Place { chain, order }, time_ns)),
    }
}

/// A random run: events of each chain one after another, each at its own time.
struct Run {
    /// Times of the events of each chain, from order 1 on.
    times: Vec<Vec<u64>>,
    links: Vec<Link>,
}

fn run(dice: &mut Dice, chains: u32, events: u64, links: usize, overlapping: bool) -> Run {
    let mut times = vec![Vec::new(); chains as usize];
    for now in 1..=events {
        times[dice.below(chains.into()) as usize].push(now * 10);
    }
    let point = |times: &[Vec<u64>], chain: u32, order: u64| {
        let own = &times[chain as usize];
        let before = (order > 1).then(|| (order - 1, own[order as usize - 2]));
        point(chain, order, own[order as usize - 1], before)
    };
    let mut found = Vec::new();
    for _ in 0..links * 20 {
        if found.len() == links {
            break;
        }
        let mut pick = || {
            let chain = dice.below(chains.into()) as u32;
            let len = times[chain as usize].len() as u64;
            (len > 0).then(|| (chain, 1 + dice.below(len)))
        };
        let (Some(a), Some(b)) = (pick(), pick()) else {
            continue;
        };
        let (from, to) = (point(&times, a.0, a.1), point(&times, b.0, b.1));
        let late = from.time_ns > to.time_ns;
        // A call may return after what it did was seen, but it began before.
        let began = from.since.is_none_or(|(_, time_ns)| time_ns < to.time_ns);
        if a.0 == b.0 || late && !(overlapping && began) {
            continue;
        }
        found.push(Link {
            kind: LinkKind::Spawn,
            from,
            to,
        });
    }
    Run {
        times,
        links: found,
    }
}

/// What is reached from an event by following chains and links, the slow way. A call that returned
/// after its effect was seen is no way for what lies between in its chain.
fn reached(run: &Run, start: (u32, u64)) -> BTreeSet<(u32, u64)> {
    let mut seen = BTreeSet::new();
    let mut work = vec![start];
    let next = |(chain, order): (u32, u64)| (chain, order + 1);
    while let Some(at) = work.pop() {
        if at.1 as usize > run.times[at.0 as usize].len() || !seen.insert(at) {
            continue;
        }
        work.push(next(at));
        for link in &run.links {
            let from = (link.from.place.chain, link.from.place.order);
            let to = (link.to.place.chain, link.to.place.order);
            let began = link.from.since.map(|(place, _)| (place.chain, place.order));
            let late = link.from.time_ns >= link.to.time_ns;
            let leaves = if late {
                began == Some(at) || from == start && at == start
            } else {
                from == at
            };
            if leaves {
                work.push(to);
            }
        }
    }
    seen.remove(&start);
    seen
}

/// `every`: how far apart clocks are kept, in ends of links.
fn agrees(run: &Run, every: usize) {
    let causality = Causality::keeping(run.links.clone(), every, 0);
    assert_eq!(causality.dropped(), 0);
    for (chain, times) in (0u32..).zip(&run.times) {
        for order in 1..=times.len() as u64 {
            let reached = reached(run, (chain, order));
            let a = Place { chain, order };
            for (other, times) in (0u32..).zip(&run.times) {
                for order in 1..=times.len() as u64 {
                    let b = Place {
                        chain: other,
                        order,
                    };
                    let expected = reached.contains(&(other, order));
                    assert_eq!(causality.happens_before(a, b), expected, "{a:?} {b:?}");
                }
            }
        }
    }
}

#[test]
fn the_order_is_what_following_all_ways_finds() {
    let mut dice = Dice::new(5);
    for round in 0..60 {
        let chains = 2 + dice.below(5) as u32;
        let links = 1 + dice.below(12) as usize;
        let run = run(&mut dice, chains, 40, links, round % 2 == 1);
        for every in [1, 2, 5, 1000] {
            agrees(&run, every);
        }
    }
}

#[test]
fn kept_clocks_give_the_same_answers() {
    // More ends of links than lie between kept clocks, asked about at random.
    let mut dice = Dice::new(6);
    let run = run(&mut dice, 20, 40_000, 9_000, false);
    let causality = Causality::new(run.links.clone());
    let mut yes = 0;
    for _ in 0..40 {
        let chain = dice.below(20) as u32;
        let order = 1 + dice.below(run.times[chain as usize].len() as u64);
        let a = Place { chain, order };
        // For each chain the first event that is reached, by one sweep over the links in time.
        let mut first = [u64::MAX; 20];
        first[chain as usize] = order;
        let mut links: Vec<&Link> = run.links.iter().collect();
        links.sort_by_key(|link| link.to.time_ns);
        for link in links {
            let from = link.from.place;
            if first[from.chain as usize] <= from.order {
                let known = &mut first[link.to.place.chain as usize];
                *known = (*known).min(link.to.place.order);
            }
        }
        for other in (0..20).filter(|other| *other != chain) {
            let order = 1 + dice.below(run.times[other as usize].len() as u64);
            let b = Place {
                chain: other,
                order,
            };
            let expected = first[other as usize] <= order;
            yes += u32::from(expected);
            assert_eq!(causality.happens_before(a, b), expected, "{a:?} {b:?}");
        }
    }
    assert!((50..710).contains(&yes), "{yes} of 760 are ordered");
}

#[test]
fn causes_and_effects_are_what_the_order_says() {
    let mut dice = Dice::new(7);
    for _ in 0..40 {
        let run = run(&mut dice, 4, 40, 10, false);
        let causality = Causality::new(run.links.clone());
        for link in &run.links {
            for found in causality.causes_of(link.from.place, 100) {
                let to = found.to.place;
                assert!(to == link.from.place || causality.happens_before(to, link.from.place));
            }
            let all = causality.causes_of(link.to.place, 100);
            assert!(all.contains(link));
            let earlier = run.links.iter().filter(|other| {
                let to = other.to.place;
                to == link.to.place || causality.happens_before(to, link.to.place)
            });
            let mut distinct: Vec<_> = earlier.copied().collect();
            distinct.sort_by_key(|link| (link.to.event, link.from.event));
            distinct.dedup();
            assert_eq!(all.len(), distinct.len());
            assert!(all
                .windows(2)
                .all(|pair| pair[0].to.time_ns >= pair[1].to.time_ns));
            let effects = causality.effects_of(link.from.place, 100);
            assert!(effects.contains(link));
            assert!(effects
                .windows(2)
                .all(|pair| pair[0].from.time_ns <= pair[1].from.time_ns));
            assert_eq!(causality.causes_of(link.to.place, 1).len(), 1);
        }
    }
}

/// Walks as whoever has only the steps does.
fn walked(causality: &Causality, way: Way, place: Place) -> Vec<Link> {
    let steps = causality.steps(way);
    let all: Vec<_> = steps.all().collect();
    let mut found: Vec<u32> = steps.at_once(place).collect();
    let beyond = |link: &u32| steps.beyond(&causality.links()[*link as usize]);
    let mut ahead: BTreeSet<u32> = found.iter().filter_map(beyond).collect();
    ahead.extend(steps.start(place));
    let mut seen = ahead.clone();
    while let Some(at) = match way {
        Way::Causes => ahead.pop_last(),
        Way::Effects => ahead.pop_first(),
    } {
        let (link, beside) = all[at as usize];
        if !found.contains(&link) {
            found.push(link);
        }
        let next = [beside, beyond(&link)].into_iter().flatten();
        ahead.extend(next.filter(|step| seen.insert(*step)));
    }
    let links = found.iter().map(|link| causality.links()[*link as usize]);
    links.collect()
}

#[test]
fn steps_lead_to_the_same_links() {
    let mut dice = Dice::new(11);
    for round in 0..40 {
        let run = run(&mut dice, 5, 60, 25, round % 2 == 0);
        let causality = Causality::new(run.links.clone());
        for link in &run.links {
            for place in [link.from.place, link.to.place] {
                let causes = causality.causes_of(place, usize::MAX);
                assert_eq!(walked(&causality, Way::Causes, place), causes);
                let effects = causality.effects_of(place, usize::MAX);
                assert_eq!(walked(&causality, Way::Effects, place), effects);
            }
        }
    }
}

#[test]
fn what_is_no_cause_is_only_an_order() {
    let link = Link {
        kind: LinkKind::Output,
        from: point(1, 5, 50, None),
        to: point(2, 7, 70, None),
    };
    let causality = Causality::new(vec![link]);
    assert!(causality.happens_before(link.from.place, link.to.place));
    assert!(causality.causes_of(link.to.place, 10).is_empty());
    assert!(causality.effects_of(link.from.place, 10).is_empty());
}

#[test]
fn clocks_that_disagree_are_left_out() {
    // It arrives before its call began.
    let backwards = Link {
        kind: LinkKind::Spawn,
        from: point(1, 5, 50, Some((4, 45))),
        to: point(2, 7, 40, None),
    };
    let causality = Causality::new(vec![backwards]);
    assert_eq!(causality.dropped(), 1);
    assert!(!causality.happens_before(Place { chain: 1, order: 4 }, backwards.to.place));
    assert!(!causality.happens_before(backwards.to.place, backwards.from.place));
}

/// Ten million events in a thousand groups: ten servers, and clients that ask them.
#[test]
#[ignore = "a measurement: cargo test --release -p reenact-causal -- --ignored --nocapture"]
fn ten_million_events() {
    const CHAINS: u64 = 1000;
    const ROUNDS: u64 = 500_000;
    let mut dice = Dice::new(8);
    let mut orders = vec![(0u64, 0u64); CHAINS as usize];
    let mut now = 0;
    let mut step = |chain: u64| {
        // Ten events of other kinds for each that leaves or arrives.
        now += 10;
        let own = &mut orders[chain as usize];
        let before = *own;
        *own = (own.0 + 10, now);
        point(chain as u32, own.0, now, Some(before))
    };
    let mut links = Vec::new();
    for _ in 0..ROUNDS {
        let (client, server) = (10 + dice.below(CHAINS - 10), dice.below(10));
        for (from, to) in [(client, server), (server, client)] {
            let (from, to) = (step(from), step(to));
            links.push(Link {
                kind: LinkKind::Spawn,
                from,
                to,
            });
        }
    }
    let events: u64 = orders.iter().map(|(order, _)| order).sum();
    let begin = Instant::now();
    let causality = Causality::new(links);
    println!(
        "{events} events, 1000000 links: built in {:?}",
        begin.elapsed()
    );
    let place = |dice: &mut Dice| {
        let chain = dice.below(CHAINS) as u32;
        let order = 1 + dice.below(orders[chain as usize].0);
        Place { chain, order }
    };
    let begin = Instant::now();
    let mut yes = 0;
    for _ in 0..10_000 {
        let (a, b) = (place(&mut dice), place(&mut dice));
        yes += u32::from(causality.happens_before(a, b));
    }
    let each = begin.elapsed() / 10_000;
    println!("happens_before: {each:?} each, {yes} of 10000 ordered");
    let begin = Instant::now();
    for _ in 0..1_000 {
        assert!(causality.causes_of(place(&mut dice), 20).len() <= 20);
        assert!(causality.effects_of(place(&mut dice), 20).len() <= 20);
    }
    println!(
        "causes_of and effects_of, 20 links: {:?} a pair",
        begin.elapsed() / 1_000
    );
    assert!(yes > 4_000);
}
