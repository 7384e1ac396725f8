"""Threads of CPython and what they wait for: locks, conditions, queues, pools, event loops, signal handlers.

Checks what it computes, and prints orders and times, so that no two runs print the same.
"""
import asyncio
import hashlib
import queue
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

THREADS = 6


def in_threads(body):
    threads = [threading.Thread(target=body, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def locks():
    lock, again, count, order = threading.Lock(), threading.RLock(), [0], []

    def body(number):
        for i in range(50):
            with lock:
                count[0] += 1
                order.append(number)
            with again, again:
                time.sleep(0 if i % 10 else 0.001)

    in_threads(body)
    assert count[0] == 50 * THREADS
    print("locks", "".join(map(str, order)))


def conditions():
    condition, barrier, slots = threading.Condition(), threading.Barrier(THREADS), threading.Semaphore(2)
    turn, passed, within, event = [0], [], [0], threading.Event()

    def body(number):
        for i in range(10):
            with condition:
                assert condition.wait_for(lambda: turn[0] % THREADS == number, timeout=60)
                turn[0] += 1
                condition.notify_all()
        if barrier.wait(timeout=60) == 0:
            event.set()
        assert event.wait(timeout=60)
        for i in range(20):
            with slots:
                within[0] += 1
                assert within[0] <= 2
                passed.append(number)
                within[0] -= 1

    in_threads(body)
    assert turn[0] == 10 * THREADS
    print("conditions", "".join(map(str, passed)))


def queues():
    tasks, results = queue.Queue(maxsize=4), queue.PriorityQueue()

    def worker(number):
        while (task := tasks.get()) is not None:
            results.put((hashlib.sha256(str(task).encode()).hexdigest(), number))
            tasks.task_done()

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for task in range(200):
        tasks.put(task)
    tasks.join()
    for _ in threads:
        tasks.put(None)
    for thread in threads:
        thread.join()
    got = [results.get_nowait() for _ in range(200)]
    assert [hash for hash, _ in got] == sorted(hashlib.sha256(str(task).encode()).hexdigest() for task in range(200))
    print("queues", "".join(str(number) for _, number in got))


def pools():
    def task(number):
        data = random.randbytes(2000)
        for _ in range(20):
            data = hashlib.sha256(data).digest() * 100
        return number, threading.current_thread().name.split("_")[-1]

    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(task, number) for number in range(60)]
        done = [future.result() for future in as_completed(futures)]
        assert sorted(number for number, _ in done) == list(range(60))
        assert list(pool.map(lambda x: x * x, range(50))) == [x * x for x in range(50)]
    print("pools", done[:20])


def computing():
    """The interpreter's own switches between threads that never wait."""
    counts, stop = [0] * 3, threading.Event()

    def body(number):
        while not stop.is_set():
            counts[number] += 1

    threads = [threading.Thread(target=body, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.15)
    stop.set()
    for thread in threads:
        thread.join()
    assert all(counts)
    print("computing", counts)


async def loops():
    loop = asyncio.get_running_loop()
    lock, order = asyncio.Lock(), []

    async def serve(reader, writer):
        while line := await reader.readline():
            answer = await loop.run_in_executor(None, lambda: hashlib.sha256(line).hexdigest())
            writer.write(answer.encode() + b"\n")
            await writer.drain()
        writer.close()

    async def customer(port, number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for i in range(10):
            line = f"{number} {i}\n".encode()
            writer.write(line)
            assert (await reader.readline()).decode() == hashlib.sha256(line).hexdigest() + "\n"
            async with lock:
                order.append(number)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(*(customer(port, number) for number in range(THREADS)))
    late = await asyncio.to_thread(time.monotonic)
    ticks = []
    signalled = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, signalled.set)
    threading.Timer(0.02, lambda: signal.raise_signal(signal.SIGUSR1)).start()
    while not signalled.is_set():
        ticks.append(loop.time())
        await asyncio.sleep(0.002)
    server.close()
    await server.wait_closed()
    print("loops", "".join(map(str, order)), late, len(ticks))


def signals():
    seen = []

    def handler(number, frame):
        seen.append((signal.Signals(number).name, frame.f_lineno))

    for number in (signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, handler)

    def sender(number):
        for i in range(5):
            time.sleep(0.003)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1 if i % 2 else signal.SIGUSR2)

    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    threads = [threading.Thread(target=sender, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    passes = 0
    while any(thread.is_alive() for thread in threads) or sum(name == "SIGALRM" for name, _ in seen) < 5:
        passes += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert {name for name, _ in seen} == {"SIGALRM", "SIGUSR1", "SIGUSR2"}
    print("signals", seen, passes)


began = time.perf_counter()
for part in (locks, conditions, queues, pools, computing, signals):
    part()
asyncio.run(loops())
print("all is right after", time.perf_counter() - began)
