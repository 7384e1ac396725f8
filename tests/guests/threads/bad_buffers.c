// flags: -pthread
// Calls that wait are given memory that cannot be written, in a process with threads: they fail as they do without, and nothing is lost.
#include "handover.h"
#include <poll.h>
#include <sys/epoll.h>

static int other[2];

static void *waits(void *given) {
    char byte;
    (void)given;
    read_all(other[0], &byte, 1);
    return NULL;
}

int main(void) {
    int ends[2], epoll = epoll_create1(0);
    CHECK(pipe(other) == 0 && pipe(ends) == 0 && epoll >= 0);
    pthread_t thread = start(waits, NULL);
    char text[16], *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED && mprotect(pages + 4096, 4096, PROT_READ) == 0 && mprotect(pages + 8192, 4096, PROT_NONE) == 0);
    write_all(ends[1], "0123456789", 10);
    CHECK_ERRNO(read(ends[0], bad_pointer(), 10), EFAULT);
    CHECK_ERRNO(read(ends[0], pages + 4096, 10), EFAULT);
    CHECK_ERRNO(read(ends[0], pages + 8192, 10), EFAULT);
    struct iovec vectors[] = {{text, 4}, {bad_pointer(), 4}};
    CHECK_ERRNO(readv(ends[0], vectors, 2), EFAULT);
    CHECK_ERRNO(readv(ends[0], bad_pointer(), 2), EFAULT);
    volatile int too_many = 5000;
    CHECK_ERRNO(readv(ends[0], vectors, too_many), EINVAL);
    // More room is named than there is: what comes fits.
    CHECK(read(ends[0], pages + 4096 - 16, 100) == 10 && memcmp(pages + 4096 - 16, "0123456789", 10) == 0);
    CHECK_ERRNO(poll(bad_pointer(), 1, 0), EFAULT);
    CHECK_ERRNO(recvmsg(ends[0], bad_pointer(), 0), ENOTSOCK);
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK_ERRNO(recvmsg(pair[0], bad_pointer(), MSG_DONTWAIT), EFAULT);
    struct epoll_event event = {.events = EPOLLOUT};
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &event) == 0);
    CHECK_ERRNO(epoll_wait(epoll, (struct epoll_event *)(pages + 8192), 1, 0), EFAULT);
    // The rest of a sleep that nothing interrupts may go nowhere.
    struct timespec time = {0, 1000};
    CHECK(nanosleep(&time, bad_pointer()) == 0);
    // The time that select leaves is lost when it cannot be stored, and that is no error.
    CHECK(syscall(SYS_select, 0, NULL, NULL, NULL, pages + 4096) == 0);
    // A set for reading and for writing at once.
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[1], &set);
    CHECK(syscall(SYS_select, ends[1] + 1, &set, &set, NULL, NULL) == 1 && FD_ISSET(ends[1], &set));
    write_all(other[1], "x", 1);
    CHECK(pthread_join(thread, NULL) == 0);
    return success();
}
