//! Datagrams that the network lost, or handed over twice.

use super::compare::shown;
use super::difference::{Difference, Kind};
use super::noise::Builtin;
use super::talks::{Comparing, Described};

/// Datagrams of one connection that came twice and are told.
const TWICE_MAX: usize = 8;

impl<'a> Comparing<'a> {
    /// A datagram that is sent in both runs and arrives in one, though what was sent behind it did.
    pub fn lost(
        &mut self,
        of: [&Described<'a>; 2],
        side: usize,
        at: [usize; 2],
    ) -> Option<Difference> {
        if !matches!(of[0].talk.channel, "udp" | "unix-messages") {
            return None;
        }
        let items = [0, 1].map(|run: usize| &of[run].talk.lanes[side][at[run]]);
        let run = match items.map(|item| item.received.is_some()) {
            [true, false] => 1,
            [false, true] => 0,
            [true, true] | [false, false] => return None,
        };
        let behind = &of[run].talk.lanes[side][at[run]..];
        if behind.iter().all(|item| item.received.is_none()) {
            self.noise.suppress_builtin(Builtin::Timing, 1);
            return None;
        }
        let (kind, verb) = match run {
            1 => (
                Kind::Missing,
                "is sent in both runs, and is lost on its way in the second one: it never arrives",
            ),
            _ => (
                Kind::Extra,
                "is sent in both runs, and arrives in the second one only",
            ),
        };
        let route = self.route(1 - run, of[1 - run], side, items[1 - run]);
        let what = format!("The datagram “{}” {route} {verb}.", items[1].text);
        let mut difference = Difference::new(kind, what).at(
            shown(&items[0].sight, self.told(0, of[0], side, items[0])),
            shown(&items[1].sight, self.told(1, of[1], side, items[1])),
        );
        of[0].tell_way(side, &mut difference);
        // The network lost it, and nobody in the recording.
        difference.outside = true;
        difference.lost = true;
        Some(difference)
    }

    /// Datagrams that arrived once more than they were sent, in the second run only.
    pub fn twice(&mut self, talks: &[Vec<Described<'a>>; 2], both: &[(usize, usize)]) {
        for (a, b) in both {
            let of = [&talks[0][*a], &talks[1][*b]];
            if !matches!(of[1].talk.channel, "udp" | "unix-messages") {
                continue;
            }
            for side in [0, 1] {
                let known = of[0].talk.twice[side].len();
                let all = of[1].talk.twice[side].iter();
                for item in all.skip(known).take(TWICE_MAX) {
                    let lane = &of[1].talk.lanes[side];
                    let Some(sent) = lane.iter().find(|sent| sent.text == item.text) else {
                        continue;
                    };
                    let route = self.route(1, of[1], side, sent);
                    let what = format!(
                        "The datagram “{}” {route} is sent once, and arrives twice in the second run: it was \
                         duplicated on its way.",
                        item.text
                    );
                    let mut difference = Difference::new(Kind::Extra, what)
                        .at(None, shown(&item.sight, self.told(1, of[1], side, sent)));
                    of[0].tell_way(side, &mut difference);
                    difference.outside = true;
                    difference.lost = true;
                    self.found.differences.push(difference);
                }
            }
        }
    }
}
