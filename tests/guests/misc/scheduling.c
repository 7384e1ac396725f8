// Scheduling policy, priorities, affinity and yields are readable and settable within this user's rights.
#include "guest.h"
#include <sched.h>

int main(void) {
    cpu_set_t set, one;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= 1);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set)) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            CHECK(sched_setaffinity(0, sizeof one, &one) == 0 && sched_getcpu() == cpu);
            break;
        }
    CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
    CHECK(sched_getscheduler(0) == SCHED_OTHER);
    CHECK(sched_get_priority_max(SCHED_FIFO) == 99 && sched_get_priority_min(SCHED_FIFO) == 1);
    struct sched_param parameter;
    CHECK(sched_getparam(0, &parameter) == 0 && parameter.sched_priority == 0);
    parameter.sched_priority = 0;
    CHECK(sched_setscheduler(0, SCHED_BATCH, &parameter) == 0 && sched_getscheduler(0) == SCHED_BATCH);
    for (int i = 0; i < 100; i++)
        CHECK(sched_yield() == 0);
    struct timespec interval;
    CHECK(sched_rr_get_interval(0, &interval) == 0);
    say("%d cpus\n", CPU_COUNT(&set));
    return success();
}
