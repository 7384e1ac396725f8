//! Arguments and messages without their noise, to be told apart by what is left.

use super::noise::{Hits, Noise, Spot};
use super::run::{Item, Process};

/// The arguments of a process.
pub fn arguments(noise: &mut Noise, process: &Process) -> Vec<String> {
    let spot = Spot {
        protocol: "argv",
        connection: &process.name,
        field: "argument",
    };
    let words = process.argv.iter();
    words
        .map(|word| noise.mask(spot, word, &mut Hits::new()).into_owned())
        .collect()
}

/// What a message says, as JSON.
pub fn body(noise: &mut Noise, item: &Item) -> String {
    let text = serde_json::to_string(&item.body).unwrap_or_default();
    let spot = Spot {
        protocol: item.protocol,
        connection: "",
        field: "",
    };
    noise.mask(spot, &text, &mut Hits::new()).into_owned()
}
