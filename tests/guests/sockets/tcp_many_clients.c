// Twelve client processes are served in the order in which they come, each with requests and replies of its own.
#include "loopback.h"

int main(void) {
    uint16_t port;
    int server = listening(&port);
    for (int client = 0; client < 12; client++) {
        if (fork_checked() == 0) {
            int fd = connected(port);
            for (int round = 0; round < 10; round++) {
                int numbers[2] = {client, round}, reply;
                write_all(fd, numbers, sizeof numbers);
                read_all(fd, &reply, sizeof reply);
                CHECK(reply == client * 100 + round);
            }
            _exit(client);
        }
    }
    for (int client = 0; client < 12; client++) {
        struct sockaddr_in peer;
        socklen_t length = sizeof peer;
        int fd = accept4(server, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC), numbers[2];
        CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
        for (int round = 0; round < 10; round++) {
            read_all(fd, numbers, sizeof numbers);
            int reply = numbers[0] * 100 + numbers[1];
            write_all(fd, &reply, sizeof reply);
        }
        say("client %d from port %d\n", numbers[0], ntohs(peer.sin_port));
        close(fd);
    }
    int sum = 0, status;
    while (wait(&status) > 0)
        sum += WEXITSTATUS(status);
    CHECK(sum == 66);
    return success();
}
