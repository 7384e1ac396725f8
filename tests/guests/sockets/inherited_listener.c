// Three processes accept from one inherited listener; which of them gets which client is open.
#include "loopback.h"

int main(void) {
    uint16_t port;
    int server = listening(&port), report[2];
    CHECK(pipe(report) == 0);
    pid_t workers[3];
    for (int worker = 0; worker < 3; worker++) {
        workers[worker] = fork_checked();
        if (workers[worker] == 0) {
            for (;;) {
                int fd = accept(server, NULL, NULL);
                char byte;
                CHECK(fd >= 0);
                read_all(fd, &byte, 1);
                write_all(fd, &worker, sizeof worker);
                close(fd);
            }
        }
    }
    int served[3] = {0};
    for (int client = 0; client < 15; client++) {
        int fd = connected(port), worker;
        write_all(fd, "x", 1);
        read_all(fd, &worker, sizeof worker);
        CHECK(worker >= 0 && worker < 3);
        served[worker]++;
        say("%d", worker);
        close(fd);
    }
    say("\n%d %d %d\n", served[0], served[1], served[2]);
    for (int worker = 0; worker < 3; worker++) {
        CHECK(kill(workers[worker], SIGTERM) == 0);
        reap_killed(workers[worker], SIGTERM);
    }
    return success();
}
