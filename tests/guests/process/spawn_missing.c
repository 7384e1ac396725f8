// posix_spawn of a missing or unfit file reports the error itself and leaves no child behind.
#include "guest.h"
#include <spawn.h>

int main(void) {
    enter_scratch();
    // A folder of the caller's PATH that may not be read would be EACCES.
    CHECK(setenv("PATH", "/usr/bin:/bin", 1) == 0);
    char *arguments[] = {"program", NULL}, *environment[] = {NULL};
    pid_t child = 77;
    CHECK(posix_spawn(&child, "/absent/program", NULL, NULL, arguments, environment) == ENOENT);
    CHECK(posix_spawnp(&child, "a-name-not-on-the-path", NULL, NULL, arguments, environment) == ENOENT);
    write_file("text", "no magic");
    CHECK(posix_spawn(&child, "./text", NULL, NULL, arguments, environment) == EACCES);
    CHECK(chmod("text", 0755) == 0);
    CHECK(posix_spawn(&child, "./text", NULL, NULL, arguments, environment) == ENOEXEC);
    CHECK(posix_spawn(&child, "/dev/null", NULL, NULL, arguments, environment) == EACCES);
    CHECK_ERRNO(waitpid(-1, NULL, WNOHANG), ECHILD);
    say("pid %d\n", (int)getpid());
    return success();
}
