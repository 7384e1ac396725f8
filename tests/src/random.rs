//! Random choices that can be repeated: a failure prints the seed, and `REENACT_SEED` sets it.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

/// A xorshift generator; good enough to pick places at which to break things.
#[derive(Debug)]
pub struct Random {
    state: u64,
    pub seed: u64,
}

impl Random {
    /// From `REENACT_SEED`, or from the clock.
    pub fn from_environment() -> Random {
        let seed = match env::var("REENACT_SEED") {
            Ok(seed) => seed.parse().expect("REENACT_SEED is a number"),
            Err(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .expect("the clock is after 1970")
                .as_nanos() as u64,
        };
        println!("REENACT_SEED={seed} repeats this run");
        Random {
            state: seed | 1,
            seed,
        }
    }

    pub fn draw(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        assert!(limit > 0, "there is no number below 0");
        self.draw() % limit
    }
}

/// Whether the tests take their time: `REENACT_THOROUGH=1`.
pub fn thorough() -> bool {
    env::var_os("REENACT_THOROUGH").is_some()
}

/// How often a test repeats a random choice: few times by default, and in full with `REENACT_THOROUGH=1`.
pub fn rounds(in_full: u32) -> u32 {
    if thorough() {
        in_full
    } else {
        in_full.div_ceil(10)
    }
}
