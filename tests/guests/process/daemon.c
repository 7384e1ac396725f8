// A daemon by double fork, in a session of its own, works on after the first process's child has ended.
#include "guest.h"

int main(void) {
    int report[2];
    CHECK(pipe(report) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(setsid() > 0);
        if (fork_checked() > 0)
            _exit(0);
        CHECK(chdir("/") == 0);
        umask(0);
        int null = open("/dev/null", O_RDWR);
        CHECK(dup2(null, 0) == 0);
        CHECK(getsid(0) != getpid());
        char text[100];
        int length = snprintf(text, sizeof text, "daemon %d in session %d", (int)getpid(), (int)getsid(0));
        write_all(report[1], text, (size_t)length);
        _exit(0);
    }
    reap_exit(child, 0);
    close(report[1]);
    char text[100] = "";
    ssize_t length = 0, got;
    while ((got = read(report[0], text + length, sizeof text - 1 - (size_t)length)) > 0)
        length += got;
    CHECK(strncmp(text, "daemon ", 7) == 0);
    say("%s\n", text);
    return success();
}
