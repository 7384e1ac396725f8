// /proc/self shows this process: stat, status, maps with the executable's path, limits, and its children's directories.
#include "guest.h"

int main(void) {
    static char text[100000];
    char path[64], target[PATH_MAX];
    CHECK(read_file("/proc/self/stat", text, sizeof text) > 0 && atoi(text) == getpid());
    say("%s", text);
    CHECK(read_file("/proc/self/maps", text, sizeof text) > 0 && strstr(text, self_path()));
    CHECK(read_file("/proc/self/limits", text, sizeof text) > 0);
    CHECK(read_file("/proc/self/statm", text, sizeof text) > 0);
    say("%s", text);
    ssize_t length = readlink("/proc/self", target, sizeof target - 1);
    CHECK(length > 0);
    target[length] = 0;
    CHECK(atoi(target) == getpid());
    length = readlink("/proc/self/cwd", target, sizeof target - 1);
    CHECK(length > 0);
    target[length] = 0;
    char directory[PATH_MAX];
    CHECK(getcwd(directory, sizeof directory) && strcmp(directory, target) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        pause();
        _exit(0);
    }
    snprintf(path, sizeof path, "/proc/%d/status", (int)child);
    read_file(path, text, sizeof text);
    char expected[64];
    snprintf(expected, sizeof expected, "\nPPid:\t%d\n", (int)getpid());
    CHECK(strstr(text, expected));
    CHECK(kill(child, SIGKILL) == 0);
    reap_killed(child, SIGKILL);
    read_file("/proc/uptime", text, sizeof text);
    say("up %s", text);
    read_file("/proc/loadavg", text, sizeof text);
    say("load %s", text);
    return success();
}
