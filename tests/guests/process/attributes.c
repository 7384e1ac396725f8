// nice, umask, working directory, and their inheritance by children and exec.
#include "guest.h"

int main(int argc, char **argv) {
    char directory[PATH_MAX];
    if (argc > 1) {
        CHECK(umask(0) == 027 && getpriority(PRIO_PROCESS, 0) == atoi(argv[1]));
        CHECK(getcwd(directory, sizeof directory) && strcmp(directory, "/proc") == 0);
        return success();
    }
    enter_scratch();
    CHECK(getcwd(directory, sizeof directory));
    say("in %s\n", directory);
    mode_t before = umask(027);
    CHECK(umask(027) == 027);
    int fd = open("file", O_CREAT | O_WRONLY, 0777);
    struct stat status;
    CHECK(fstat(fd, &status) == 0 && (status.st_mode & 0777) == 0750);
    errno = 0;
    int niceness = nice(3);
    CHECK(errno == 0 && getpriority(PRIO_PROCESS, 0) == niceness);
    CHECK(mkdir("below", 0755) == 0 && chdir("below") == 0);
    CHECK(strcmp(getcwd(directory, sizeof directory) + strlen(directory) - 6, "/below") == 0);
    int parent = open("..", O_RDONLY | O_DIRECTORY);
    CHECK(fchdir(parent) == 0 && access("below", F_OK) == 0);
    CHECK(rmdir("below") == 0);
    CHECK_ERRNO(chdir("below"), ENOENT);
    CHECK_ERRNO(chdir("file"), ENOTDIR);
    say("umask was %o, niceness %d\n", before, niceness);
    leave_scratch();
    CHECK(chdir("/proc") == 0);
    char text[16];
    snprintf(text, sizeof text, "%d", niceness);
    execl(self_path(), "attributes", text, (char *)NULL);
    CHECK(!"exec");
}
