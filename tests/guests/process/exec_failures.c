// Every failing exec returns its errno with the program intact, so that it can go on and exec something else.
#include "guest.h"

static void handler(int number) { (void)number; }

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1)
        return success();
    enter_scratch();
    char *arguments[] = {"program", NULL}, *environment[] = {NULL};
    install(SIGUSR1, handler, 0);
    int cloexec = open("/dev/null", O_RDONLY | O_CLOEXEC);
    write_file("text", "no magic");
    write_file("empty", "");
    write_file("orphan_script", "#!/absent/interpreter\n");
    write_file("looping_script", "#!./looping_script\n");
    write_file("truncated", "\177ELF\002\001\001");
    CHECK(mkdir("directory", 0755) == 0 && symlink("loop", "loop") == 0);
    CHECK_ERRNO(execve("./text", arguments, environment), EACCES);
    CHECK(chmod("text", 0755) == 0 && chmod("empty", 0755) == 0 && chmod("orphan_script", 0755) == 0);
    CHECK(chmod("truncated", 0755) == 0 && chmod("looping_script", 0755) == 0);
    CHECK_ERRNO(execve("/absent", arguments, environment), ENOENT);
    CHECK_ERRNO(execve("", arguments, environment), ENOENT);
    CHECK_ERRNO(execve("./text", arguments, environment), ENOEXEC);
    CHECK_ERRNO(execve("./empty", arguments, environment), ENOEXEC);
    CHECK_ERRNO(execve("./truncated", arguments, environment), ENOEXEC);
    CHECK_ERRNO(execve("./orphan_script", arguments, environment), ENOENT);
    CHECK_ERRNO(execve("./looping_script", arguments, environment), ELOOP);
    CHECK_ERRNO(execve("./text/below", arguments, environment), ENOTDIR);
    CHECK_ERRNO(execve("./directory", arguments, environment), EACCES);
    CHECK_ERRNO(execve("./loop", arguments, environment), ELOOP);
    CHECK_ERRNO(execve("/dev/null", arguments, environment), EACCES);
    CHECK_ERRNO(execve(bad_pointer(), arguments, environment), EFAULT);
    CHECK_ERRNO(execve(self_path(), bad_pointer(), environment), EFAULT);
    // One argument may be 128 KiB long at most.
    char *lengthy = calloc(1, 200000);
    memset(lengthy, 'x', 199999);
    char *too_long[] = {"program", lengthy, NULL};
    CHECK_ERRNO(execve(self_path(), too_long, environment), E2BIG);
    struct sigaction action;
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == handler);
    CHECK(fcntl(cloexec, F_GETFD) == FD_CLOEXEC);
    char name[16];
    CHECK(prctl(PR_GET_NAME, name) == 0 && strncmp(name, strrchr(self_path(), '/') + 1, 15) == 0);
    say("still pid %d\n", (int)getpid());
    leave_scratch();
    execl(self_path(), "exec_failures", "in the end", (char *)NULL);
    CHECK(!"exec");
}
