//! What threads of the standard library, parking_lot and crossbeam do, all at once. Checks what it computes, and prints
//! the order in which threads came, so that no two runs print the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Barrier, Condvar, Mutex, Once, OnceLock, RwLock};
use std::thread;
use std::time::{Duration, Instant};

const THREADS: usize = 6;
const ROUNDS: usize = 300;

fn mixed(mut x: u64, steps: usize) -> u64 {
    for _ in 0..steps {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

fn mutexes_and_conditions() -> Vec<usize> {
    // Whose turn it is, and who came at each round.
    let state = Arc::new((Mutex::new((0, Vec::new())), Condvar::new()));
    let threads: Vec<_> = (0..THREADS)
        .map(|me| {
            let state = Arc::clone(&state);
            thread::spawn(move || {
                let (turn, changed) = &*state;
                for _ in 0..20 {
                    let guard = turn.lock().unwrap();
                    let mut guard = changed
                        .wait_while(guard, |(turn, _)| *turn % THREADS != me)
                        .unwrap();
                    guard.0 += 1;
                    changed.notify_all();
                }
                // In any order now.
                for _ in 0..20 {
                    turn.lock().unwrap().1.push(me);
                    mixed(me as u64 + 1, 500);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let state = state.0.lock().unwrap();
    assert_eq!(state.0, 20 * THREADS);
    state.1.clone()
}

fn barriers_and_scopes() -> u64 {
    let barrier = Barrier::new(THREADS);
    let leaders = AtomicUsize::new(0);
    let mut cells = [0u64; THREADS];
    thread::scope(|scope| {
        for (me, cell) in cells.iter_mut().enumerate() {
            let (barrier, leaders) = (&barrier, &leaders);
            scope.spawn(move || {
                for round in 0..50 {
                    *cell = mixed(*cell ^ (me * 50 + round + 1) as u64, 100);
                    if barrier.wait().is_leader() {
                        leaders.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(leaders.load(Ordering::Relaxed), 50);
    cells.iter().fold(0, |all, cell| all ^ cell)
}

fn atomics_and_parking() -> u64 {
    let (sum, greatest, spins) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let open = AtomicBool::new(false);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS as u64)
            .map(|me| {
                let (sum, greatest, spins, open) = (&sum, &greatest, &spins, &open);
                scope.spawn(move || {
                    // One half waits for the gate by parking, the other one by spinning.
                    while !open.load(Ordering::Acquire) {
                        if me % 2 == 0 {
                            thread::park_timeout(Duration::from_millis(50));
                        } else {
                            spins.fetch_add(1, Ordering::Relaxed);
                            std::hint::spin_loop();
                        }
                    }
                    for round in 0..ROUNDS as u64 {
                        sum.fetch_add(round, Ordering::Relaxed);
                        greatest.fetch_max(mixed(me * 1000 + round + 1, 20), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(5));
        open.store(true, Ordering::Release);
        for thread in &threads {
            thread.thread().unpark();
        }
    });
    let rounds = ROUNDS as u64;
    let sum = sum.into_inner();
    assert_eq!(sum, THREADS as u64 * rounds * (rounds - 1) / 2);
    greatest.into_inner() ^ spins.into_inner()
}

fn shared_tables() -> Vec<usize> {
    static ONCE: Once = Once::new();
    static TABLE: OnceLock<RwLock<HashMap<usize, usize>>> = OnceLock::new();
    let made = AtomicUsize::new(0);
    thread::scope(|scope| {
        for me in 0..THREADS {
            let made = &made;
            scope.spawn(move || {
                ONCE.call_once(|| {
                    made.fetch_add(1, Ordering::Relaxed);
                });
                let table = TABLE.get_or_init(RwLock::default);
                for round in 0..ROUNDS {
                    if round % 10 == me {
                        *table.write().unwrap().entry(round % 7).or_default() += 1;
                    } else {
                        assert!(table.read().unwrap().len() <= 7);
                    }
                }
            });
        }
    });
    assert_eq!(made.into_inner(), 1);
    let table = TABLE.get().unwrap().read().unwrap();
    assert_eq!(table.values().sum::<usize>(), THREADS * ROUNDS / 10);
    // The order of a hash map comes from random keys, and differs from run to run.
    table.keys().copied().collect()
}

fn channels() -> Vec<usize> {
    let (send, receive) = mpsc::sync_channel(3);
    let (work, tasks) = crossbeam::channel::unbounded::<u64>();
    let mut order = Vec::new();
    thread::scope(|scope| {
        for me in 0..THREADS {
            let (send, tasks) = (send.clone(), tasks.clone());
            scope.spawn(move || {
                for task in tasks {
                    send.send((me, mixed(task + 1, 200))).unwrap();
                }
            });
        }
        drop(send);
        for task in 0..ROUNDS as u64 {
            work.send(task).unwrap();
        }
        drop(work);
        let mut all = 0;
        for (me, result) in receive {
            order.push(me);
            all ^= result;
        }
        let alone = (0..ROUNDS as u64).fold(0, |all, task| all ^ mixed(task + 1, 200));
        assert_eq!(all, alone);
    });
    order.truncate(40);
    order
}

fn locks_of_parking_lot() -> usize {
    let (count, changed) = (parking_lot::Mutex::new(0usize), parking_lot::Condvar::new());
    let table = parking_lot::RwLock::new(vec![0usize; 8]);
    let mut waits = 0;
    thread::scope(|scope| {
        for me in 0..THREADS {
            let (count, changed, table) = (&count, &changed, &table);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    table.write()[(me + round) % 8] += 1;
                    assert!(table.read().iter().sum::<usize>() <= THREADS * ROUNDS);
                    *count.lock() += 1;
                    changed.notify_one();
                }
            });
        }
        let mut now = count.lock();
        while *now < THREADS * ROUNDS {
            changed.wait(&mut now);
            waits += 1;
        }
    });
    assert_eq!(table.read().iter().sum::<usize>(), THREADS * ROUNDS);
    waits
}

fn queues_of_crossbeam() -> usize {
    use crossbeam::deque::{Injector, Steal};
    let queue = Injector::new();
    (0..THREADS * ROUNDS).for_each(|task| queue.push(task));
    let (sum, retries) = (AtomicUsize::new(0), AtomicUsize::new(0));
    crossbeam::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|_| loop {
                match queue.steal() {
                    Steal::Success(task) => sum.fetch_add(task, Ordering::Relaxed),
                    Steal::Retry => retries.fetch_add(1, Ordering::Relaxed),
                    Steal::Empty => break,
                };
            });
        }
    })
    .unwrap();
    let tasks = THREADS * ROUNDS;
    assert_eq!(sum.into_inner(), tasks * (tasks - 1) / 2);
    retries.into_inner()
}

fn main() {
    let began = Instant::now();
    println!("mutexes: {:?}", mutexes_and_conditions());
    println!("barriers: {:x}", barriers_and_scopes());
    println!("atomics: {:x}", atomics_and_parking());
    println!("tables: {:?}", shared_tables());
    println!("channels: {:?}", channels());
    println!("parking_lot: {} waits", locks_of_parking_lot());
    println!("crossbeam: {} retries", queues_of_crossbeam());
    println!("all is right after {:?}", began.elapsed());
}
