// select and pselect mark the ready descriptors among many, and Linux's select says how much time was left.
#include "guest.h"
#include <sys/select.h>

int main(void) {
    int pipes[10][2], top = 0;
    for (int i = 0; i < 10; i++) {
        CHECK(pipe(pipes[i]) == 0);
        top = pipes[i][1] + 1;
    }
    write_all(pipes[3][1], "x", 1);
    write_all(pipes[7][1], "x", 1);
    fd_set read_set, write_set;
    FD_ZERO(&read_set);
    FD_ZERO(&write_set);
    for (int i = 0; i < 10; i++)
        FD_SET(pipes[i][0], &read_set);
    FD_SET(pipes[0][1], &write_set);
    struct timeval limit = {1, 0};
    CHECK(select(top, &read_set, &write_set, NULL, &limit) == 3);
    for (int i = 0; i < 10; i++)
        CHECK(!!FD_ISSET(pipes[i][0], &read_set) == (i == 3 || i == 7));
    CHECK(limit.tv_sec == 0 || limit.tv_usec == 0);
    FD_ZERO(&read_set);
    FD_SET(pipes[0][0], &read_set);
    limit = (struct timeval){0, 20000};
    CHECK(select(top, &read_set, NULL, NULL, &limit) == 0 && !FD_ISSET(pipes[0][0], &read_set) && limit.tv_usec == 0);
    struct timespec short_limit = {0, 5000000};
    FD_SET(pipes[3][0], &read_set);
    CHECK(pselect(top, &read_set, NULL, NULL, &short_limit, NULL) == 1);
    CHECK(close(pipes[0][0]) == 0);
    FD_SET(pipes[0][0], &read_set);
    CHECK_ERRNO(select(top, &read_set, NULL, NULL, &limit), EBADF);
    say("top %d\n", top);
    return success();
}
