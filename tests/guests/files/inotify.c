// inotify reports creation, writing, renaming with its cookie and removal, in order.
#include "guest.h"
#include <poll.h>
#include <sys/inotify.h>

int main(void) {
    enter_scratch();
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    CHECK(fd >= 0);
    int watch = inotify_add_watch(fd, ".", IN_CREATE | IN_CLOSE_WRITE | IN_MOVE | IN_DELETE);
    CHECK(watch >= 0);
    char buffer[4096] __attribute__((aligned(8)));
    CHECK_ERRNO(read(fd, buffer, sizeof buffer), EAGAIN);
    pid_t child = fork_checked();
    if (child == 0) {
        write_file("file", "x");
        CHECK(rename("file", "other") == 0 && unlink("other") == 0);
        _exit(0);
    }
    reap_exit(child, 0);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    CHECK(poll(&poll_fd, 1, 1000) == 1);
    ssize_t got = read(fd, buffer, sizeof buffer);
    uint32_t expected[] = {IN_CREATE, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_DELETE}, cookie = 0;
    int seen = 0;
    for (char *at = buffer; at < buffer + got;) {
        struct inotify_event *event = (struct inotify_event *)at;
        CHECK(seen < 5 && event->mask == expected[seen] && event->wd == watch);
        if (event->mask == IN_MOVED_FROM)
            cookie = event->cookie;
        if (event->mask == IN_MOVED_TO)
            CHECK(event->cookie == cookie);
        say("%x %u %s\n", event->mask, event->cookie, event->name);
        seen++;
        at += sizeof *event + event->len;
    }
    CHECK(seen == 5);
    CHECK(inotify_rm_watch(fd, watch) == 0);
    return success();
}
