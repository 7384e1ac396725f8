// flags: -pthread
// Marks by prctl: each fails with EINVAL as it does natively, whatever its arguments are, in threads and children too.
#include "guest.h"
#include "../../agent-shim/sdk/reenact.h"
#include <pthread.h>

static char bytes[100000];

// Two threads change and sum the same bytes: a sum is of what was there when it was asked for.
static void *other(void *name) {
    for (int i = 0; i < 200; i++) {
        bytes[i] ^= (char)i;
        reenact_checksum(name, bytes, sizeof bytes);
    }
    return NULL;
}

int main(void) {
    errno = 7;
    reenact_phase("start");
    reenact_note("");
    reenact_note("with \"quotes\", \xff and \n");
    CHECK(errno == 7);
    CHECK_ERRNO(prctl(REENACT_NOTE, "unfinished", 4000, 0, 0), EINVAL);
    CHECK_ERRNO(prctl(REENACT_NOTE, bad_pointer(), 10, 0, 0), EINVAL);
    CHECK_ERRNO(prctl(REENACT_CHECKSUM, "bad bytes", 9, bad_pointer(), 10), EINVAL);
    CHECK_ERRNO(prctl(REENACT_CHECKSUM, "bad length", 10, bytes, ~0ul), EINVAL);
    CHECK_ERRNO(prctl(REENACT_CHECKSUM, NULL, 0, NULL, 0), EINVAL);
    // No kind of mark has this number.
    CHECK_ERRNO(prctl(REENACT_PHASE + 1, "x", 1, 0, 0), EINVAL);

    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    reenact_checksum("time", &now, sizeof now);
    pthread_t threads[2];
    for (long i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, other, (void *)(i ? "one" : "two")) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        reenact_phase("child");
        _exit(3);
    }
    reap_exit(child, 3);
    say("time %ld.%09ld\n", (long)now.tv_sec, now.tv_nsec);
    return success();
}
