// A POSIX timer sends its signal with its value, repeatedly, counts overruns, and is deleted.
#include "guest.h"

static volatile int fired, value, code;

static void handler(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    fired++;
    value = info->si_value.sival_int;
    code = info->si_code;
}

int main(void) {
    install_info(SIGRTMIN, handler, 0);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 321};
    timer_t timer;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec setting = {{0, 5000000}, {0, 5000000}}, left;
    CHECK(timer_settime(timer, 0, &setting, NULL) == 0);
    while (fired < 5)
        pause();
    CHECK(value == 321 && code == SI_TIMER);
    CHECK(timer_gettime(timer, &left) == 0 && left.it_interval.tv_nsec == 5000000);
    CHECK(timer_getoverrun(timer) >= 0 && timer_delete(timer) == 0);
    say("%d times\n", fired >= 5);
    return success();
}
