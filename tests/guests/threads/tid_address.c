// flags: -O2 -pthread
// Where the kernel clears a thread's id when it ends can be asked for, and set to the same again.
#include "guest.h"

#include <pthread.h>
#include <sys/prctl.h>

static void *same_again(void *unused)
{
    int *address = 0;
    if (prctl(PR_GET_TID_ADDRESS, &address) != 0)
        return unused;
    CHECK(address != 0 && *address == (int)gettid());
    CHECK(syscall(SYS_set_tid_address, address) == gettid());
    return unused;
}

int main(void)
{
    for (int round = 0; round < 20; round++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, 0, same_again, 0) == 0);
        CHECK(pthread_join(thread, 0) == 0);
    }
    return success();
}
