// epoll by level, by edge and once: what is reported again and what is not, and the data that comes back.
#include "guest.h"
#include <sys/epoll.h>

int main(void) {
    int epoll = epoll_create1(EPOLL_CLOEXEC), level[2], edge[2], once[2];
    CHECK(epoll >= 0 && pipe(level) == 0 && pipe(edge) == 0 && pipe(once) == 0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1111222233334444}, events[8];
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, level[0], &event) == 0);
    event = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.ptr = &edge};
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, edge[0], &event) == 0);
    event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.fd = once[0]};
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, once[0], &event) == 0);
    CHECK_ERRNO(epoll_ctl(epoll, EPOLL_CTL_ADD, once[0], &event), EEXIST);
    CHECK(epoll_wait(epoll, events, 8, 0) == 0);
    write_all(level[1], "x", 1);
    write_all(edge[1], "x", 1);
    write_all(once[1], "x", 1);
    CHECK(epoll_wait(epoll, events, 8, 1000) == 3);
    int seen = 0;
    for (int i = 0; i < 3; i++)
        seen |= events[i].data.u64 == 0x1111222233334444 ? 1 : events[i].data.ptr == &edge ? 2 : events[i].data.fd == once[0] ? 4 : 8;
    CHECK(seen == 7);
    CHECK(epoll_wait(epoll, events, 8, 10) == 1 && events[0].data.u64 == 0x1111222233334444 && events[0].events == EPOLLIN);
    write_all(edge[1], "x", 1);
    CHECK(epoll_wait(epoll, events, 1, 10) == 1);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, once[0], &event) == 0);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_DEL, level[0], NULL) == 0);
    CHECK_ERRNO(epoll_ctl(epoll, EPOLL_CTL_DEL, level[0], NULL), ENOENT);
    int count = epoll_wait(epoll, events, 8, 10);
    CHECK(count >= 1);
    CHECK(close(once[1]) == 0 && close(edge[1]) == 0);
    count = epoll_wait(epoll, events, 8, 100);
    CHECK(count == 1 && (events[0].events & EPOLLHUP));
    int file = open("/dev/null", O_RDONLY);
    CHECK_ERRNO(epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event), EPERM);
    uint64_t before = now_ns(CLOCK_MONOTONIC);
    CHECK(epoll_wait(epoll, events, 8, 20) == 0 && now_ns(CLOCK_MONOTONIC) - before >= 19000000);
    say("stack %p\n", (void *)&edge);
    return success();
}
