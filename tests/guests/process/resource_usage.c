// getrusage and times count this process's work and its children's, and print what nobody can predict.
#include "guest.h"
#include <sys/times.h>

int main(void) {
    struct rusage self, children;
    volatile long sum = 0;
    for (long i = 0; i < 20000000; i++)
        sum += i;
    pid_t child = fork_checked();
    if (child == 0) {
        for (long i = 0; i < 20000000; i++)
            sum += i;
        _exit(0);
    }
    reap_exit(child, 0);
    CHECK(getrusage(RUSAGE_SELF, &self) == 0 && getrusage(RUSAGE_CHILDREN, &children) == 0);
    CHECK(self.ru_maxrss > 0 && children.ru_maxrss > 0);
    CHECK(children.ru_utime.tv_sec + children.ru_utime.tv_usec + self.ru_utime.tv_usec > 0);
    struct tms times_buffer;
    clock_t ticks = times(&times_buffer);
    CHECK(ticks != (clock_t)-1);
    say("self %ld us, children %ld us, faults %ld, ticks %ld\n", (long)self.ru_utime.tv_usec, (long)children.ru_utime.tv_usec,
        self.ru_minflt, (long)ticks);
    CHECK_ERRNO(getrusage(12345, &self), EINVAL);
    return success();
}
