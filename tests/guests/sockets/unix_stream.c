// A unix stream server at a path: bind makes the file, the client's name is empty, credentials name the peer.
#include "guest.h"

int main(void) {
    enter_scratch();
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"}, peer;
    CHECK(bind(server, (struct sockaddr *)&address, sizeof address) == 0 && listen(server, 5) == 0);
    struct stat status;
    CHECK(stat("socket", &status) == 0 && S_ISSOCK(status.st_mode));
    pid_t child = fork_checked();
    if (child == 0) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
        dprintf(fd, "child %d", (int)getpid());
        char reply[5];
        read_all(fd, reply, 5);
        CHECK(memcmp(reply, "reply", 5) == 0);
        _exit(0);
    }
    socklen_t length = sizeof peer;
    int fd = accept(server, (struct sockaddr *)&peer, &length);
    CHECK(fd >= 0 && length == sizeof(sa_family_t));
    struct ucred credentials;
    length = sizeof credentials;
    CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0);
    CHECK(credentials.pid == child && credentials.uid == geteuid());
    char text[100] = "";
    CHECK(read(fd, text, sizeof text) > 6 && atoi(text + 6) == child);
    write_all(fd, "reply", 5);
    reap_exit(child, 0);
    length = sizeof peer;
    CHECK(getsockname(server, (struct sockaddr *)&peer, &length) == 0 && strcmp(peer.sun_path, "socket") == 0);
    say("%s\n", text);
    return success();
}
