// execvpe finds the program on PATH, skips directories where it is absent, and runs a file without magic by the shell.
#include "guest.h"

int main(void) {
    enter_scratch();
    CHECK(mkdir("bin", 0755) == 0 && mkdir("empty", 0755) == 0);
    write_file("bin/tool", "echo \"tool $1 $WORD in $$\"\nexit 4\n");
    CHECK(chmod("bin/tool", 0755) == 0);
    char path[PATH_MAX + 100];
    snprintf(path, sizeof path, "/absent:%s/empty:%s/bin:/usr/bin:/bin", guest_scratch, guest_scratch);
    CHECK(setenv("PATH", path, 1) == 0);
    char *arguments[] = {"tool", "argument", NULL}, *environment[] = {"WORD=word", NULL};
    pid_t child = fork_checked();
    if (child == 0) {
        execvpe("tool", arguments, environment);
        _exit(127);
    }
    reap_exit(child, 4);
    CHECK_ERRNO(execvpe("no-such-tool", arguments, environment), ENOENT);
    return success();
}
