//! Docker's default seccomp profile, compiled into a filter for an ordinary container without capabilities.

use std::collections::BTreeMap;

use reenact_abi::syscalls::ROWS;
use serde_json::Value;

const PROFILE: &str = include_str!("../data/docker-default-seccomp.json");

// Offsets in `struct seccomp_data` (linux/seccomp.h).
pub(crate) const NR: u32 = 0;
const ARCH: u32 = 4;
pub(crate) const ARGS: u32 = 16;

const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
pub(crate) const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
pub(crate) const KILL: u32 = 0x8000_0000;

pub(crate) const LOAD: u16 = 0x20;
pub(crate) const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_AT_LEAST: u16 = 0x35;
const AND: u16 = 0x54;
pub(crate) const RETURN: u16 = 0x06;

/// What the profile says about one call: in order, a condition on an argument (or none) and a verdict.
type Rules = Vec<(Option<Condition>, u32)>;

#[derive(Clone, Debug)]
struct Condition {
    argument: u32,
    value: u64,
    /// The mask of a masked comparison, whose value is `value_two`.
    value_two: u64,
    operator: String,
}

/// The filter for this architecture: calls that the profile does not allow fail with EPERM.
pub fn docker_filter() -> Vec<libc::sock_filter> {
    let profile: Value = serde_json::from_str(PROFILE).expect("the profile is JSON");
    let default = ERRNO | number(&profile["defaultErrnoRet"]) as u32;
    let mut rules: BTreeMap<u32, Rules> = BTreeMap::new();
    for entry in profile["syscalls"].as_array().expect("a list of rules") {
        if !applies(entry) {
            continue;
        }
        let verdict = match entry["action"].as_str() {
            Some("SCMP_ACT_ALLOW") => ALLOW,
            Some("SCMP_ACT_ERRNO") => ERRNO | number(&entry["errnoRet"]) as u32,
            other => panic!("the profile has an action that is not known here: {other:?}"),
        };
        let condition = match entry["args"].as_array().map(Vec::as_slice) {
            None | Some([]) => None,
            Some([one]) => Some(Condition {
                argument: number(&one["index"]) as u32,
                value: number(&one["value"]),
                value_two: one["valueTwo"].as_u64().unwrap_or(0),
                operator: one["op"].as_str().expect("an operator").to_owned(),
            }),
            Some(_) => panic!("a rule with several conditions is not known here"),
        };
        for name in entry["names"].as_array().expect("names of calls") {
            // Names of other architectures' calls have no row.
            let row = ROWS.iter().find(|row| Some(row.name) == name.as_str());
            if let Some(row) = row {
                let rules = rules.entry(u32::from(row.nr)).or_default();
                rules.push((condition.clone(), verdict));
            }
        }
    }
    compile(&rules, default)
}

/// Whether a rule is in force for x86-64 on a recent kernel without capabilities.
fn applies(entry: &Value) -> bool {
    let arch_listed = |arches: &Value| {
        let list = arches.as_array();
        list.map(|list| list.iter().any(|arch| arch == "amd64"))
    };
    let includes = &entry["includes"];
    let excludes = &entry["excludes"];
    includes["caps"].is_null()
        && arch_listed(&includes["arches"]) != Some(false)
        && arch_listed(&excludes["arches"]) != Some(true)
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("the profile has a number here")
}

fn compile(rules: &BTreeMap<u32, Rules>, default: u32) -> Vec<libc::sock_filter> {
    let mut code = vec![
        step(LOAD, ARCH, 0, 0),
        step(JUMP_EQUAL, AUDIT_ARCH_X86_64, 1, 0),
        step(RETURN, KILL, 0, 0),
    ];
    for (nr, rules) in rules {
        let body = body(rules, default);
        let length = u8::try_from(body.len()).expect("few rules for one call");
        // A comparison's own jump reaches 255 steps, and each body is shorter.
        code.push(step(LOAD, NR, 0, 0));
        code.push(step(JUMP_EQUAL, *nr, 0, length));
        code.extend(body);
    }
    code.push(step(RETURN, default, 0, 0));
    code
}

fn body(rules: &Rules, default: u32) -> Vec<libc::sock_filter> {
    let mut code = Vec::new();
    for (condition, verdict) in rules {
        let Some(condition) = condition else {
            code.push(step(RETURN, *verdict, 0, 0));
            return code;
        };
        // Arguments that the profile looks at are 32 bits wide, so that the low halves decide.
        let value = condition.value as u32;
        code.push(step(LOAD, ARGS + 8 * condition.argument, 0, 0));
        match condition.operator.as_str() {
            "SCMP_CMP_EQ" => code.push(step(JUMP_EQUAL, value, 0, 1)),
            "SCMP_CMP_GT" => code.push(step(JUMP_GREATER, value, 0, 1)),
            "SCMP_CMP_LT" => code.push(step(JUMP_AT_LEAST, value, 1, 0)),
            "SCMP_CMP_MASKED_EQ" => {
                code.push(step(AND, value, 0, 0));
                code.push(step(JUMP_EQUAL, condition.value_two as u32, 0, 1));
            }
            other => panic!("the profile has a comparison that is not known here: {other}"),
        }
        code.push(step(RETURN, *verdict, 0, 0));
    }
    code.push(step(RETURN, default, 0, 0));
    code
}

pub(crate) fn step(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}
