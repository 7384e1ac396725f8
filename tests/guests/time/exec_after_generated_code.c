// A program that has made code at run time starts others, by fork, by vfork, and in its own place, after an exec that failed.
#include "guest.h"

static void make_code(void) {
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED)
        SKIP("memory that is writable and executable is forbidden here");
    // rdtsc; ret
    unsigned char counter[] = {0x0f, 0x31, 0xc3};
    memcpy(code, counter, sizeof counter);
    say("counter %u\n", ((unsigned (*)(void))code)());
}

int main(int argc, char **argv) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    say("%s at %ld\n", argc > 1 ? argv[1] : "first", now.tv_nsec);
    if (argc > 1 && strcmp(argv[1], "last") == 0)
        return success();
    if (argc > 1)
        return 7;
    CHECK_ERRNO(execl("/nonexistent", "nonexistent", (char *)NULL), ENOENT);
    make_code();
    CHECK_ERRNO(execl("/nonexistent", "nonexistent", (char *)NULL), ENOENT);
    pid_t child = fork();
    if (child == 0) {
        execl(self_path(), argv[0], "forked", (char *)NULL);
        _exit(98);
    }
    reap_exit(child, 7);
    child = vfork();
    if (child == 0) {
        execl(self_path(), argv[0], "vforked", (char *)NULL);
        _exit(98);
    }
    reap_exit(child, 7);
    make_code();
    execl(self_path(), argv[0], "last", (char *)NULL);
    CHECK(!"exec");
}
