//! Processes of one program with the same arguments that hang at other places of the tree: which process started
//! them, and when, may be a matter of chance or of who wraps whom.

use std::collections::BTreeMap;

use super::masked;
use super::noise::Noise;
use super::pairs::Pairs;
use super::run::Run;

/// Pairs what is left of both runs by programs and arguments: first those that said the same, then in the order in
/// which they were started.
pub fn pair(runs: [&Run; 2], said: [&BTreeMap<u32, u64>; 2], noise: &mut Noise, pairs: &mut Pairs) {
    if pairs.only.iter().any(Vec::is_empty) {
        return;
    }
    type Group = [Vec<u32>; 2];
    let mut groups: BTreeMap<(String, Vec<String>), Group> = BTreeMap::new();
    for run in [0, 1] {
        for number in &pairs.only[run] {
            let Some(process) = runs[run].processes.get(number) else {
                continue;
            };
            let key = (process.name.clone(), masked::arguments(noise, process));
            groups.entry(key).or_default()[run].push(*number);
        }
    }
    for ((name, argv), [mut of_a, mut of_b]) in groups {
        if of_a.is_empty() || of_b.is_empty() {
            continue;
        }
        let kind = format!("{name} {}", argv.join(" "));
        let mut both = Vec::new();
        of_a.retain(|a| {
            let same = |b: &u32| said[0].contains_key(a) && said[0].get(a) == said[1].get(b);
            let Some(at) = of_b.iter().position(same) else {
                return true;
            };
            both.push((*a, of_b.remove(at)));
            false
        });
        both.extend(of_a.into_iter().zip(of_b));
        for (a, b) in both {
            pairs.add_stray(a, b, &kind);
        }
    }
    pairs.both.sort_unstable();
}
