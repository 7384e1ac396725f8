// getcpu and sched_getcpu name a CPU that this process may use.
#include "guest.h"
#include <sched.h>

int main(void) {
    cpu_set_t set;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    for (int i = 0; i < 50; i++) {
        unsigned cpu, node;
        CHECK(syscall(SYS_getcpu, &cpu, &node, NULL) == 0);
        int again = sched_getcpu();
        CHECK(again >= 0 && CPU_ISSET(again, &set) && CPU_ISSET((int)cpu, &set));
        if (i % 10 == 0)
            say("cpu %u node %u\n", cpu, node);
    }
    return success();
}
