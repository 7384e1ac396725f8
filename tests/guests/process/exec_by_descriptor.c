// fexecve and execveat run a program by descriptor, by directory and name, and from a memfd.
#include "guest.h"

extern char **environ;

int main(int argc, char **argv) {
    if (argc > 1) {
        say("%s\n", argv[1]);
        return 6;
    }
    char *arguments[] = {"program", "by descriptor", NULL};
    pid_t child = fork_checked();
    if (child == 0) {
        fexecve(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), arguments, environ);
        _exit(127);
    }
    reap_exit(child, 6);
    child = fork_checked();
    if (child == 0) {
        char directory[PATH_MAX];
        strcpy(directory, self_path());
        char *slash = strrchr(directory, '/');
        *slash = 0;
        arguments[1] = "by directory and name";
        syscall(SYS_execveat, open(directory, O_PATH), slash + 1, arguments, environ, 0);
        _exit(127);
    }
    reap_exit(child, 6);
    child = fork_checked();
    if (child == 0) {
        int memory = memfd_create("copy", 0), from = open("/proc/self/exe", O_RDONLY);
        char bytes[65536];
        ssize_t got;
        while ((got = read(from, bytes, sizeof bytes)) > 0)
            write_all(memory, bytes, (size_t)got);
        arguments[1] = "from memory";
        syscall(SYS_execveat, memory, "", arguments, environ, AT_EMPTY_PATH);
        _exit(127);
    }
    reap_exit(child, 6);
    CHECK_ERRNO(syscall(SYS_execveat, AT_FDCWD, "absent", arguments, environ, 0), ENOENT);
    CHECK_ERRNO(syscall(SYS_execveat, 999, "", arguments, environ, AT_EMPTY_PATH), EBADF);
    return success();
}
