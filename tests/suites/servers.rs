//! Servers and threads under load: what they did is re-enacted to the byte.

use std::time::Duration;

use reenact_tests::{need, program, script, Subject};

/// A server on a port of loopback that nobody else uses: tests of one file run beside each other.
fn redis(port: u16, text: &str) {
    redis_of(port, text).is_faithful();
}

fn redis_of(port: u16, text: &str) -> Subject {
    need("redis-server", "redis-server");
    need("redis-cli", "redis-tools");
    need("redis-benchmark", "redis-tools");
    let prelude = format!(
        "P={port}; PR=$((P + 1)); cli() {{ redis-cli -p $P \"$@\"; }}
up() {{ for i in $(seq 200); do redis-cli -p $1 ping >/dev/null 2>&1 && return; sleep 0.05; done; echo \"not up: $1\"; exit 9; }}
start() {{ redis-server --port $P --bind 127.0.0.1 \"$@\" >> log 2>&1 & S=$!; up $P; }}
replica() {{ mkdir -p r; redis-server --port $PR --bind 127.0.0.1 --dir r --save '' --replicaof 127.0.0.1 $P >> rlog 2>&1 & R=$!; up $PR; }}
"
    );
    script(&(prelude + text)).within(Duration::from_secs(300))
}

#[test]
fn redis_under_load() {
    redis(
        17391,
        "start --save ''
redis-benchmark -p $P -n 4000 -c 20 -t set,get -q; redis-benchmark -p $P -n 8000 -c 20 -P 16 -t set,get -q; redis-benchmark -p $P -n 2000 -c 50 -t set,incr -q
cli info; cli bgsave; for i in $(seq 50); do cli info persistence | grep -q rdb_bgsave_in_progress:0 && break; sleep 0.1; done
cli shutdown save; wait $S; echo \"ended with $?\"; ls -l; cat log",
    );
}

#[test]
fn a_redis_replica_that_is_killed_and_started_again() {
    redis(
        17393,
        "start --save '' --appendonly yes; cli set x 1; replica
for i in $(seq 100); do [ \"$(redis-cli -p $PR get x)\" = 1 ] && break; sleep 0.1; done
redis-benchmark -p $P -n 2000 -c 20 -t set -q; kill -9 $R; wait $R; echo \"killed: $?\"; cli set y 2; replica
for i in $(seq 100); do [ \"$(redis-cli -p $PR get y)\" = 2 ] && break; sleep 0.1; done
redis-cli -p $PR get y; redis-cli -p $PR shutdown nosave; wait $R; cli shutdown nosave; wait $S; echo \"ended with $?\"; cat log rlog",
    );
}

/// Its threads wait for each other by spinning on memory, until the process ends under them.
#[test]
fn redis_with_four_io_threads() {
    let text = "start --save '' --io-threads 4
redis-benchmark -p $P -n 200 -c 50 -t set -q; cli info; cli shutdown nosave; wait $S; echo \"ended with $?\"";
    redis_of(17395, text).stopped_at_least(10).is_faithful();
}

/// An example is flaky, natively too, so that it may pass or fail, and either is re-enacted.
fn example(name: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/").to_owned() + name;
    let recording = program(&[&path]).within(Duration::from_secs(300)).record();
    if !matches!(recording.recorded.code(), Some(0 | 1)) {
        recording.fail("the example neither passed nor failed", None);
    }
    recording.replay().same_output().replay().same_output();
}

#[test]
fn the_flaky_shop() {
    need("curl", "curl");
    need("git", "git");
    need("python3", "python3");
    example("e2e/e2e-test.sh");
}

#[test]
fn the_flaky_redis_replica() {
    need("redis-server", "redis-server");
    need("redis-benchmark", "redis-tools");
    example("redis/redis-test.sh");
}

#[test]
fn python_computes_while_a_thread_keeps_time() {
    need("python3", "python3");
    let text = "
import hashlib, threading, time
done, beats, stop = 0, [], False
def beat():
    while not stop:
        time.sleep(0.005)
        beats.append(done)
thread = threading.Thread(target=beat)
thread.start()
data = bytes(2_000_000)
for i in range(40):
    hashlib.sha256(data).hexdigest()
    done = i
counts = {}
for i in range(200000):
    counts[i % 1000] = counts.get(i % 1000, 0) + i
stop = True
thread.join()
print(len(beats), beats, sum(counts.values()))
";
    program(&["python3", "-c", text]).is_faithful();
}

#[test]
fn python_counts_until_timers_say_stop() {
    need("python3", "python3");
    let text = "
import signal
alarms = 0
def handler(number, frame):
    global alarms
    alarms += 1
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
passes = 0
while alarms < 10:
    passes += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print(passes)
";
    program(&["python3", "-c", text]).is_faithful();
}
