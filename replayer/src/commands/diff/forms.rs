//! Parts of which messages consist, at the places where they stand.
//!
//! A message whose parts are all in the other run as well is of a form that both runs have: another count, order,
//! connection or instance of it is a matter of scheduling, as long as nothing that anybody sees comes of it.

use reenact_wire::Node;
use rustc_hash::{FxHashSet, FxHasher};
use std::hash::Hasher;

use super::alike::shape;
use super::learn;
use super::noise::Noise;
use super::run::{Item, Run};
use super::talks::name;
use super::tree::Comparer;

/// Messages of a run that are looked at; of more, nothing is known.
const MESSAGES_MAX: usize = 100_000;

/// All parts of a run's messages.
#[derive(Default)]
pub struct Forms {
    parts: FxHashSet<u64>,
}

impl Forms {
    pub fn of(run: &Run, noise: &mut Noise) -> Forms {
        let mut forms = Forms::default();
        if run.messages() > MESSAGES_MAX {
            return forms;
        }
        for talk in &run.talks {
            let (roles, name) = (learn::roles(run, talk), name(run, talk));
            for (side, lane) in talk.lanes.iter().enumerate() {
                for item in lane {
                    let place = learn::base(&roles, side, item.protocol, &shape(item));
                    let comparer = Comparer {
                        base: Some(place),
                        ..Comparer::of(noise, item.protocol, &name)
                    };
                    parts(comparer, place, &item.body, &mut |part| {
                        forms.parts.insert(part);
                    });
                }
            }
        }
        forms
    }

    /// Whether a message has only parts that stand at the same places in this run.
    pub fn has(&self, noise: &mut Noise, place: u64, name: &str, item: &Item) -> bool {
        let comparer = Comparer {
            base: Some(place),
            ..Comparer::of(noise, item.protocol, name)
        };
        let mut known = !self.parts.is_empty();
        parts(comparer, place, &item.body, &mut |part| {
            known &= self.parts.contains(&part);
        });
        known
    }
}

fn parts(mut comparer: Comparer<'_>, place: u64, body: &Node, take: &mut dyn FnMut(u64)) {
    comparer.leaves(body, &mut |path, text| {
        let field = learn::of_field(place, path);
        for word in text.split(|c: char| !c.is_alphanumeric()) {
            let mut hasher = FxHasher::default();
            hasher.write_u64(field);
            hasher.write(word.as_bytes());
            take(hasher.finish());
        }
    });
}
