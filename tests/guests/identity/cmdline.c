// /proc/self/cmdline, comm and stat show this program's arguments and name, as `pgrep -f` and `ps` read them.
#include "guest.h"

int main(int argc, char **argv) {
    char text[8192], name[64];
    if (argc == 1) {
        execl(self_path(), "renamed", "first argument", "second", (char *)NULL);
        CHECK(!"exec");
    }
    (void)argv;
    size_t length = read_file("/proc/self/cmdline", text, sizeof text);
    CHECK(length == sizeof "renamed\0first argument\0second" && memcmp(text, "renamed\0first argument\0second", length) == 0);
    const char *file = strrchr(self_path(), '/') + 1;
    read_file("/proc/self/comm", name, sizeof name);
    name[strcspn(name, "\n")] = 0;
    CHECK(strncmp(name, file, 15) == 0);
    CHECK(read_file("/proc/self/stat", text, sizeof text) > 0);
    CHECK(atoi(text) == getpid());
    CHECK(strncmp(strchr(text, '(') + 1, name, strlen(name)) == 0);
    read_file("/proc/self/status", text, sizeof text);
    CHECK(strncmp(text, "Name:\t", 6) == 0 && strncmp(text + 6, name, strlen(name)) == 0);
    CHECK(strcmp(program_invocation_name, "renamed") == 0);
    say("pid %d is %s\n", (int)getpid(), name);
    return success();
}
