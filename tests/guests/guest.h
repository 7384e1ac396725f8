// What every guest shares: the checks, the scratch directory and the final line.
//
// A guest verifies its own behaviour with CHECK, prints what differs from run to run (pids, times, addresses), so that a replay has
// bytes to reproduce, and ends with EXIT-SUCCESS. Output goes through write(2) at once, so that a fork never duplicates a buffer.
#ifndef GUEST_H
#define GUEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define say(...) dprintf(1, __VA_ARGS__)

static char guest_scratch[PATH_MAX];
static pid_t guest_scratch_owner;

__attribute__((unused)) static int guest_remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

// Only the process that created the directory removes it, or a child's exit would pull it away from its parent.
__attribute__((unused)) static void leave_scratch(void) {
    if (guest_scratch_owner != getpid())
        return;
    guest_scratch_owner = 0;
    if (chdir("/") == 0)
        nftw(guest_scratch, guest_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

__attribute__((noreturn, unused)) static void guest_fail(const char *file, int line, const char *condition) {
    int error = errno;
    dprintf(2, "%s:%d: pid %d: check failed: %s (errno %d, %s)\n", file, line, (int)getpid(), condition, error, strerror(error));
    leave_scratch();
    _exit(99);
}

#define CHECK(condition)                                   \
    do {                                                   \
        if (!(condition))                                  \
            guest_fail(__FILE__, __LINE__, #condition);    \
    } while (0)

// The call must fail, and with this errno.
#define CHECK_ERRNO(call, expected)                                         \
    do {                                                                    \
        errno = 0;                                                          \
        long guest_result = (long)(call);                                   \
        if (guest_result != -1 || errno != (expected))                      \
            guest_fail(__FILE__, __LINE__, #call " fails with " #expected); \
    } while (0)

__attribute__((unused)) static int success(void) {
    say("EXIT-SUCCESS\n");
    return 0;
}

// Ends the guest where this machine lacks what it is about.
#define SKIP(...)              \
    do {                       \
        say("SKIP ");          \
        say(__VA_ARGS__);      \
        say("\n");             \
        exit(success());       \
    } while (0)

// Creates a directory of this guest's own, and makes it the working directory until exit.
__attribute__((unused)) static void enter_scratch(void) {
    const char *parent = getenv("TMPDIR");
    snprintf(guest_scratch, sizeof guest_scratch, "%s/guest-XXXXXX", parent && *parent ? parent : "/tmp");
    CHECK(mkdtemp(guest_scratch));
    guest_scratch_owner = getpid();
    atexit(leave_scratch);
    CHECK(chdir(guest_scratch) == 0);
}

__attribute__((unused)) static void reap_exit(pid_t child, int code) {
    int status;
    pid_t got;
    do
        got = waitpid(child, &status, 0);
    while (got == -1 && errno == EINTR);
    CHECK(got == child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        dprintf(2, "child %d: wait status %#x where exit code %d was due\n", (int)child, status, code);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code);
}

__attribute__((unused)) static void reap_killed(pid_t child, int signal_number) {
    int status;
    pid_t got;
    do
        got = waitpid(child, &status, 0);
    while (got == -1 && errno == EINTR);
    CHECK(got == child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != signal_number)
        dprintf(2, "child %d: wait status %#x where death by signal %d was due\n", (int)child, status, signal_number);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == signal_number);
}

__attribute__((unused)) static pid_t fork_checked(void) {
    pid_t child = fork();
    CHECK(child >= 0);
    return child;
}

__attribute__((unused)) static void write_all(int fd, const void *bytes, size_t length) {
    const char *from = bytes;
    while (length > 0) {
        ssize_t wrote = write(fd, from, length);
        if (wrote == -1 && errno == EINTR)
            continue;
        CHECK(wrote > 0);
        from += wrote;
        length -= (size_t)wrote;
    }
}

__attribute__((unused)) static void read_all(int fd, void *bytes, size_t length) {
    char *to = bytes;
    while (length > 0) {
        ssize_t got = read(fd, to, length);
        if (got == -1 && errno == EINTR)
            continue;
        CHECK(got > 0);
        to += got;
        length -= (size_t)got;
    }
}

__attribute__((unused)) static void write_file(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0);
    write_all(fd, text, strlen(text));
    CHECK(close(fd) == 0);
}

// A whole small file as a string, for /proc above all.
__attribute__((unused)) static size_t read_file(const char *path, char *buffer, size_t size) {
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    size_t used = 0;
    ssize_t got;
    while (used < size - 1 && (got = read(fd, buffer + used, size - 1 - used)) > 0)
        used += (size_t)got;
    buffer[used] = 0;
    CHECK(close(fd) == 0);
    return used;
}

__attribute__((unused)) static const char *self_path(void) {
    static char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK(length > 0);
    path[length] = 0;
    return path;
}

// An address that is never mapped, and that the compiler cannot see to be one.
__attribute__((unused)) static void *bad_pointer(void) {
    static void *volatile bad = (void *)16;
    return bad;
}

__attribute__((unused)) static void install(int signal_number, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    CHECK(sigaction(signal_number, &action, NULL) == 0);
}

__attribute__((unused)) static void install_info(int signal_number, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
    CHECK(sigaction(signal_number, &action, NULL) == 0);
}

__attribute__((unused)) static uint64_t now_ns(clockid_t clock) {
    struct timespec time;
    CHECK(clock_gettime(clock, &time) == 0);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

__attribute__((unused)) static void sleep_ms(long ms) {
    struct timespec rest = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&rest, &rest) == -1)
        CHECK(errno == EINTR);
}

#endif
