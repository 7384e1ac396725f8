//! Threads of real runtimes, and of a real server: what they did is re-enacted to the byte, whichever way their calls
//! are caught.

use std::path::Path;
use std::time::Duration;

use reenact_tests::{c_program, go_program, need, program, script, source, Net, Subject};

/// Each of these programs as it is, behind the seccomp filter, and without any site rewritten.
macro_rules! in_all_ways {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn dispatched() {
                super::$name().is_faithful();
            }

            #[test]
            fn filtered() {
                super::$name().net(super::Net::Seccomp).is_faithful();
            }

            #[test]
            fn unpatched() {
                super::$name().unpatched().is_faithful();
            }
        }
    )*};
}

in_all_ways! {
    pthreads
    go_server_with_clients
    goroutines_that_compute
    rust_threads
    python_threads
    memcached_with_four_threads
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

fn alone(binary: &Path) -> Subject {
    program(&[path(binary)]).within(Duration::from_secs(300))
}

fn pthreads() -> Subject {
    alone(&c_program("pthreads.c")).stopped_at_least(1)
}

fn go_server_with_clients() -> Subject {
    alone(&go_program("http.go")).stopped_at_least(1)
}

fn goroutines_that_compute() -> Subject {
    alone(&go_program("goroutines.go")).stopped_at_least(1)
}

fn rust_threads() -> Subject {
    alone(Path::new(env!("CARGO_BIN_EXE_rust-threads")))
}

fn python_threads() -> Subject {
    need("python3", "python3");
    program(&["python3", path(&source("threads.py"))])
        .within(Duration::from_secs(300))
        .stopped_at_least(1)
}

/// The server takes a port that the kernel chooses, and says which in a file.
fn memcached_with_four_threads() -> Subject {
    need("memcached", "memcached");
    need("python3", "python3");
    let client = source("memcached_client.py");
    let text = format!(
        "client() {{ python3 '{}' $P \"$1\"; }}
memcached -u root -l 127.0.0.1 -p -1 -U 0 -t 4 & S=$!
for i in $(seq 200); do [ -s port ] && break; sleep 0.05; done
P=$(grep -o '[0-9]*$' port | head -n 1)
for name in one two three; do client $name & C=\"$C $!\"; done
for c in $C; do wait $c || exit 1; done
client last || exit 2; kill $S; wait $S; echo \"ended with $?\"",
        path(&client)
    );
    script(&text)
        .env("MEMCACHED_PORT_FILENAME", "port")
        .within(Duration::from_secs(300))
}
