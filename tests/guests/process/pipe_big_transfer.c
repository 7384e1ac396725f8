// Four megabytes go through a pipe, far more than it holds, and arrive in order; short reads are reported as they come.
#include "guest.h"

#define TOTAL (4u << 20)

int main(void) {
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        close(pipes[0]);
        unsigned char *bytes = malloc(TOTAL);
        for (size_t i = 0; i < TOTAL; i++)
            bytes[i] = (unsigned char)(i * 7 + i / 251);
        write_all(pipes[1], bytes, TOTAL);
        _exit(0);
    }
    close(pipes[1]);
    static unsigned char bytes[100000];
    size_t at = 0, reads = 0;
    ssize_t got;
    while ((got = read(pipes[0], bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < got; i++, at++)
            CHECK(bytes[i] == (unsigned char)(at * 7 + at / 251));
        reads++;
    }
    CHECK(got == 0 && at == TOTAL);
    reap_exit(child, 0);
    say("%zu bytes in %zu reads\n", at, reads);
    return success();
}
