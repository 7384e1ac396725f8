// What the racy programs share: a start, a log, and a verdict.
//
// Each has one real bug of order. Whether it shows is a matter of luck: the exit status is 1 and a line begins with BUG if it
// did, and 0 if all went well. Nothing waits for a time that was chosen to make it show.
#ifndef RACY_H
#define RACY_H

#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

UNUSED static int verdict(int bug, const char *what) {
    dprintf(1, "%s%s\n", bug ? "BUG: " : "all is well: ", what);
    return bug;
}

UNUSED static void thread(pthread_t *id, void *(*run)(void *), void *argument) {
    if (pthread_create(id, NULL, run, argument) != 0)
        abort();
}

// A log that nobody reads, as services have: one short write for each line.
UNUSED static void log_line(const char *text) {
    static int fd = -1;
    if (fd < 0)
        fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (write(fd, text, strlen(text)) < 0)
        abort();
}

// For bugs that make a program stand still: whoever stands for three seconds stands for ever.
static const char *stuck_because;
UNUSED static void stuck(int signal) {
    (void)signal;
    _exit(verdict(1, stuck_because));
}

UNUSED static void expect_an_end(const char *why) {
    stuck_because = why;
    signal(SIGALRM, stuck);
    alarm(3);
}

#endif
