// A signal handler runs many times while the program computes, and what it saw is the same again.
#include "guest.h"
#include <signal.h>
#include <sys/time.h>

static volatile uint64_t counter, seen[20];
static volatile sig_atomic_t alarms;

static void on_alarm(int signal) {
    (void)signal;
    if (alarms < 20) seen[alarms] = counter;
    alarms++;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {{0, 5000}, {0, 5000}};
    CHECK(sigaction(SIGALRM, &action, 0) == 0);
    CHECK(setitimer(ITIMER_REAL, &timer, 0) == 0);
    while (alarms < 20) counter++;
    timer.it_interval.tv_usec = timer.it_value.tv_usec = 0;
    CHECK(setitimer(ITIMER_REAL, &timer, 0) == 0);
    for (int i = 0; i < 20; i++) say("%lu ", (unsigned long)seen[i]);
    say("%lu\n", (unsigned long)counter);
    return success();
}
