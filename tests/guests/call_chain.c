// Sleeps in a function that another one called, until SIGUSR1 comes; for a debugger to look at.
#include "guest.h"

static void wake(int number) {
    (void)number;
}

// What follows each call keeps it from becoming a jump, which would leave no frame.
__attribute__((noinline)) static int inner(void) {
    struct timespec long_time = {1000, 0};
    int result = nanosleep(&long_time, NULL);
    CHECK(result == -1 && errno == EINTR);
    return 1;
}

__attribute__((noinline)) static int outer(void) {
    int result = inner();
    CHECK(result == 1);
    return 2;
}

int main(void) {
    struct sigaction action = {.sa_handler = wake};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(outer() == 2);
    return success();
}
