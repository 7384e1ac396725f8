// flags: -lrt
// POSIX message queues carry messages by priority between parent and child, where they exist.
#include "guest.h"
#include <mqueue.h>

int main(void) {
    char name[64];
    snprintf(name, sizeof name, "/guest-%d-%ld", (int)getpid(), (long)now_ns(CLOCK_MONOTONIC));
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 64};
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    if (queue == (mqd_t)-1)
        SKIP("POSIX message queues are not available");
    mq_unlink(name);
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(mq_send(queue, "low", 4, 1) == 0 && mq_send(queue, "high", 5, 9) == 0);
        _exit(0);
    }
    reap_exit(child, 0);
    char text[64];
    unsigned priority;
    CHECK(mq_receive(queue, text, sizeof text, &priority) == 5 && priority == 9 && strcmp(text, "high") == 0);
    CHECK(mq_receive(queue, text, sizeof text, &priority) == 4 && priority == 1);
    say("%s\n", name);
    return success();
}
