// flags: -pthread
// The process ends when threads of it have just been given what they waited for.
#include "handover.h"
#include <sys/epoll.h>

static int small[2], large[2], epoll;
static volatile char text[64], *big;
static volatile struct epoll_event events[4];

static void *reads(void *given) {
    (void)given;
    for (;;)
        CHECK(read(small[0], (char *)text, sizeof text) > 0);
}

static void *reads_much(void *given) {
    (void)given;
    for (;;)
        CHECK(read(large[0], (char *)big, 1 << 20) > 0);
}

static void *waits_for_events(void *given) {
    (void)given;
    for (;;)
        CHECK(epoll_wait(epoll, (struct epoll_event *)events, 4, -1) > 0);
}

int main(void) {
    big = malloc(1 << 20);
    CHECK(big && pipe(small) == 0 && pipe(large) == 0 && (epoll = epoll_create1(0)) >= 0);
    struct epoll_event event = {.events = EPOLLOUT | EPOLLET, .data.u64 = 0x1234};
    start(reads, NULL);
    start(reads_much, NULL);
    start(waits_for_events, NULL);
    success();
    write_all(small[1], "hello", 5);
    write_all(large[1], (char *)big, 5000);
    write_all(large[1], "hello", 5);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, small[1], &event) == 0);
    compute();
    _exit(0);
}
