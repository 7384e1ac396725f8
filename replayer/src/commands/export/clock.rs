//! Wall-clock time of events.

use std::time::Duration;

use reenact_trace::{Anchor, Reader, TraceError};

/// Turns times of events (CLOCK_MONOTONIC) into wall-clock times, by the pairs of both that the recorder
/// wrote down every second.
pub struct WallClock {
    /// By monotonic time, never empty.
    anchors: Vec<Anchor>,
}

impl WallClock {
    pub fn of(reader: &mut Reader) -> Result<WallClock, TraceError> {
        let meta = reader.meta();
        let start = Anchor {
            wall_ns: meta.wall_start_ns,
            mono_ns: meta.mono_start_ns,
        };
        let mut anchors = reader.anchors()?;
        anchors.push(start);
        anchors.sort_by_key(|anchor| (anchor.mono_ns, anchor.wall_ns));
        Ok(WallClock { anchors })
    }

    /// Nanoseconds since 1970. Before the first anchor the clock is taken to have run as it did then.
    pub fn ns(&self, mono_ns: u64) -> u64 {
        let upto = self
            .anchors
            .partition_point(|anchor| anchor.mono_ns <= mono_ns);
        let anchor = self.anchors[upto.saturating_sub(1)];
        if mono_ns >= anchor.mono_ns {
            anchor.wall_ns.saturating_add(mono_ns - anchor.mono_ns)
        } else {
            anchor.wall_ns.saturating_sub(anchor.mono_ns - mono_ns)
        }
    }

    /// The same, since 1970.
    pub fn since_epoch(&self, mono_ns: u64) -> Duration {
        Duration::from_nanos(self.ns(mono_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_followed() {
        let anchor = |mono_ns, wall_ns| Anchor { wall_ns, mono_ns };
        let clock = WallClock {
            anchors: vec![anchor(100, 1_000), anchor(200, 5_000)],
        };
        let times = [50, 100, 150, 200, 250].map(|mono_ns| clock.ns(mono_ns));
        assert_eq!(times, [950, 1_000, 1_050, 5_000, 5_050]);
        assert_eq!(
            clock.ns(u64::MAX),
            u64::MAX,
            "times of a trace may be anything"
        );
    }
}
