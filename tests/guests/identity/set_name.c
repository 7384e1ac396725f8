// PR_SET_NAME changes comm, cuts it at fifteen bytes, passes it on over fork, and exec resets it.
#include "guest.h"

int main(int argc, char **argv) {
    (void)argv;
    char name[64], initial[16];
    CHECK(prctl(PR_GET_NAME, initial) == 0);
    CHECK(strncmp(initial, strrchr(self_path(), '/') + 1, 15) == 0);
    if (argc > 1)
        return success();
    CHECK(prctl(PR_SET_NAME, "a-name-that-is-far-too-long") == 0);
    CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "a-name-that-is-") == 0);
    read_file("/proc/self/comm", name, sizeof name);
    CHECK(strcmp(name, "a-name-that-is-\n") == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "a-name-that-is-") == 0);
        _exit(0);
    }
    reap_exit(child, 0);
    int fd = open("/proc/self/comm", O_WRONLY);
    CHECK(fd >= 0 && write(fd, "written", 7) == 7);
    CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "written") == 0);
    say("pid %d was %s\n", (int)getpid(), initial);
    execl(self_path(), "whatever", "again", (char *)NULL);
    CHECK(!"exec");
}
