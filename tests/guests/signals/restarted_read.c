// With SA_RESTART a blocked read goes on after the handler, and gets what is written later.
#include "guest.h"

static volatile int ticks;

static void handler(int number) {
    (void)number;
    ticks++;
}

int main(void) {
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    install(SIGALRM, handler, SA_RESTART);
    pid_t child = fork_checked();
    if (child == 0) {
        sleep_ms(120);
        write_all(pipes[1], "late", 4);
        _exit(0);
    }
    struct itimerval timer = {{0, 20000}, {0, 20000}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    char text[10];
    CHECK(read(pipes[0], text, sizeof text) == 4 && memcmp(text, "late", 4) == 0);
    CHECK(ticks >= 1);
    timer = (struct itimerval){0};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    reap_exit(child, 0);
    say("%d ticks\n", ticks);
    return success();
}
