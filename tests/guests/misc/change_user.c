// A child of root gives up its rights, and the files it then makes and may not read say so.
#include "guest.h"
#include <grp.h>

int main(void) {
    if (geteuid() != 0)
        SKIP("only root can become another user");
    enter_scratch();
    CHECK(chmod(".", 0777) == 0);
    write_file("secret", "x");
    CHECK(chmod("secret", 0600) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
        CHECK(getuid() == 65534 && geteuid() == 65534 && getgid() == 65534);
        CHECK_ERRNO(open("secret", O_RDONLY), EACCES);
        CHECK_ERRNO(setuid(0), EPERM);
        write_file("own", "y");
        CHECK_ERRNO(kill(getppid(), SIGTERM), EPERM);
        execl("/bin/sh", "sh", "-c", "id -u; exit 9", (char *)NULL);
        _exit(127);
    }
    reap_exit(child, 9);
    struct stat status;
    CHECK(stat("own", &status) == 0 && status.st_uid == 65534);
    say("child %d\n", (int)child);
    return success();
}
