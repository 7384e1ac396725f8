//! A Redis server under a load from outside: only the server is recorded, the clients never are.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use reenact_tests::{need, Ending, Running};

use crate::way::{ended_well, Outcome, Way, LIMIT};

/// Nobody else uses it; rows run one after the other.
const PORT: &str = "17457";

#[derive(Clone, Debug)]
pub struct Server {
    /// Options of redis-server, and of redis-benchmark.
    pub server: &'static [&'static str],
    pub load: &'static [&'static str],
    pub requests: u32,
}

impl Server {
    pub fn run(&self, way: Way, folder: &Path) -> Result<Outcome, String> {
        let redis = need("redis-server", "redis-server");
        let mut words: Vec<&OsStr> = vec![redis.as_os_str()];
        words.extend(["--port", PORT, "--bind", "127.0.0.1", "--save", ""].map(OsStr::new));
        words.extend(self.server.iter().map(OsStr::new));
        let running = Running::start(way.command(folder, &words), LIMIT);
        let began = Instant::now();
        wait_until_up(began + Duration::from_secs(20))?;
        let rate = self.drive()?;
        let recorder_kib = peak_kib(running.pid());
        let mut shutdown = client();
        shutdown.args(["shutdown", "nosave"]);
        ended_well("redis-cli", shutdown)?;
        let finished = running.finish();
        if finished.ending != Ending::Exit(0) {
            return Err(format!(
                "redis-server: {}: {}",
                finished.ending,
                finished.error_text()
            ));
        }
        let outcome = Outcome {
            cost_s: 1.0 / rate,
            life_s: finished.took.as_secs_f64(),
            ..Outcome::default()
        };
        match way {
            Way::Recorded => Outcome {
                recorder_kib,
                ..outcome
            }
            .with_trace(folder, f64::from(self.requests)),
            Way::Native | Way::Filtered | Way::Strace => Ok(outcome),
        }
    }

    /// Requests a second, as redis-benchmark has them.
    fn drive(&self) -> Result<f64, String> {
        let mut benchmark = Command::new(need("redis-benchmark", "redis-tools"));
        benchmark
            .args(["-p", PORT, "-q", "-n", &self.requests.to_string()])
            .args(self.load);
        let said = ended_well("redis-benchmark", benchmark)?.text();
        // Progress overwrites itself; the last piece is the result: `SET: 81234.57 requests per second, p50=…`.
        let result = said
            .split(['\r', '\n'])
            .rfind(|line| line.contains(" requests per second"));
        let words = result.and_then(|line| line.split(' ').nth(1));
        let rate: Option<f64> = words.and_then(|word| word.parse().ok());
        rate.filter(|rate| *rate > 0.0)
            .ok_or(format!("redis-benchmark: no result in {said:?}"))
    }
}

fn client() -> Command {
    let mut command = Command::new(need("redis-cli", "redis-tools"));
    command.args(["-p", PORT]);
    command
}

fn wait_until_up(deadline: Instant) -> Result<(), String> {
    while Instant::now() < deadline {
        let mut ping = client();
        ping.arg("ping");
        if ended_well("redis-cli", ping).is_ok_and(|said| said.text() == "PONG\n") {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err("redis-server is not up after 20 s".to_owned())
}

/// The most memory that a process ever had.
fn peak_kib(pid: i32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
