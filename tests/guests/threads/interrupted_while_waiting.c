// flags: -pthread
// A thread sleeps or waits for a child when a signal or the child's death ends that, while another thread runs: the rest of the time,
// the status and the usage come back when the call does.
#include "handover.h"

static volatile struct timespec rest = {123, 456};
static volatile int status = -1;
static volatile struct rusage usage;
static volatile siginfo_t info;
static volatile pid_t child;

static void on_signal(int number) {
    (void)number;
}

static void *sleeps(void *given) {
    (void)given;
    struct timespec time = {100, 0};
    CHECK_ERRNO(nanosleep(&time, (struct timespec *)&rest), EINTR);
    CHECK(rest.tv_sec == 99 && rest.tv_nsec > 0);
    return NULL;
}

static void *sleeps_on_its_own_rest(void *given) {
    (void)given;
    rest.tv_sec = 50, rest.tv_nsec = 0;
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, (struct timespec *)&rest, (struct timespec *)&rest) == EINTR);
    CHECK(rest.tv_sec == 49);
    return NULL;
}

static void *reaps(void *given) {
    (void)given;
    CHECK(wait4(child, (int *)&status, 0, (struct rusage *)&usage) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    return NULL;
}

static void *looks_at_child(void *given) {
    (void)given;
    CHECK(waitid(P_PID, child, (siginfo_t *)&info, WEXITED | WNOWAIT) == 0 && info.si_pid == child && info.si_status == 8);
    return NULL;
}

static void *reads_until_interrupted(void *given) {
    static char text[100];
    CHECK_ERRNO(read(*(int *)given, text, sizeof text), EINTR);
    return NULL;
}

// A child that ends when something is written to the pipe.
static int child_that_waits(int code) {
    int gate[2];
    CHECK(pipe(gate) == 0);
    child = fork_checked();
    if (child == 0) {
        char byte;
        CHECK(close(gate[1]) == 0);
        read_all(gate[0], &byte, 1);
        _exit(code);
    }
    return gate[1];
}

int main(void) {
    install(SIGUSR1, on_signal, 0);
    pthread_t thread = start(sleeps, NULL);
    CHECK(pthread_kill(thread, SIGUSR1) == 0);
    look("nanosleep", &rest, sizeof rest);
    CHECK(pthread_join(thread, NULL) == 0);
    say("rest %ld\n", rest.tv_nsec);

    thread = start(sleeps_on_its_own_rest, NULL);
    CHECK(pthread_kill(thread, SIGUSR1) == 0);
    look("clock_nanosleep", &rest, sizeof rest);
    CHECK(pthread_join(thread, NULL) == 0);
    say("rest %ld\n", rest.tv_nsec);

    int gate = child_that_waits(7);
    thread = start(reaps, NULL);
    write_all(gate, "x", 1);
    compute();
    say("wait4: %d %u\n", status, digest(&usage, sizeof usage));
    CHECK(pthread_join(thread, NULL) == 0);
    say("usage %ld\n", usage.ru_maxrss);

    gate = child_that_waits(8);
    thread = start(looks_at_child, NULL);
    write_all(gate, "x", 1);
    compute();
    say("waitid: %u\n", digest(&info, sizeof info));
    CHECK(pthread_join(thread, NULL) == 0);
    reap_exit(child, 8);

    int ends[2];
    CHECK(pipe(ends) == 0);
    thread = start(reads_until_interrupted, ends);
    CHECK(pthread_kill(thread, SIGUSR1) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    return success();
}
