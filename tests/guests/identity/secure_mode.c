// An ordinary start is not a secure one, and user and group ids agree with /proc/self/status.
#include "guest.h"
#include <sys/auxv.h>

int main(void) {
    CHECK(getauxval(AT_SECURE) == 0);
    uid_t real, effective, saved;
    CHECK(getresuid(&real, &effective, &saved) == 0);
    CHECK(real == getuid() && effective == geteuid() && saved == effective);
    char text[8192], expected[64];
    read_file("/proc/self/status", text, sizeof text);
    snprintf(expected, sizeof expected, "\nUid:\t%u\t%u\t%u\t", real, effective, saved);
    CHECK(strstr(text, expected));
    snprintf(expected, sizeof expected, "\nPid:\t%d\n", (int)getpid());
    CHECK(strstr(text, expected));
    CHECK(strstr(text, "\nTracerPid:\t0\n"));
    CHECK(strstr(text, "\nThreads:\t1\n"));
    say("uid %u gid %u\n", real, getgid());
    return success();
}
