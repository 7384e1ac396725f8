// A script starts its interpreter with the one optional argument, the script's path and the arguments; scripts nest.
#include "guest.h"

static void expect(char *const arguments[], const char *path, const char *expected) {
    int pipes[2];
    CHECK(pipe2(pipes, O_CLOEXEC) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        dup2(pipes[1], 1);
        execv(path, arguments);
        _exit(127);
    }
    close(pipes[1]);
    char text[1000] = "";
    ssize_t length = 0, got;
    while ((got = read(pipes[0], text + length, sizeof text - 1 - (size_t)length)) > 0)
        length += got;
    close(pipes[0]);
    reap_exit(child, 0);
    if (strcmp(text, expected) != 0)
        dprintf(2, "got:\n%s", text);
    CHECK(strcmp(text, expected) == 0);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        char own[PATH_MAX];
        for (int i = 1; i < argc; i++)
            say("[%s]\n", argv[i]);
        CHECK(readlink("/proc/self/exe", own, sizeof own) > 0);
        return 0;
    }
    enter_scratch();
    char text[PATH_MAX + 200];
    snprintf(text, sizeof text, "#!%s one optional  argument \nrest is ignored\n", self_path());
    write_file("script", text);
    snprintf(text, sizeof text, "#!  \t%s\n", self_path());
    write_file("bare", text);
    snprintf(text, sizeof text, "#!%s/script nested", guest_scratch);
    write_file("outer", text);
    write_file("shell", "#!/bin/sh\nprintf '[%s]\\n' \"$0\" \"$@\"\n");
    CHECK(chmod("script", 0755) == 0 && chmod("bare", 0755) == 0 && chmod("outer", 0755) == 0 && chmod("shell", 0755) == 0);
    char *arguments[] = {"zero", "first", "", NULL};
    expect(arguments, "./script", "[one optional  argument]\n[./script]\n[first]\n[]\n");
    expect(arguments, "./bare", "[./bare]\n[first]\n[]\n");
    snprintf(text, sizeof text, "[one optional  argument]\n[%s/script]\n[nested]\n[./outer]\n[first]\n[]\n", guest_scratch);
    expect(arguments, "./outer", text);
    expect(arguments, "./shell", "[./shell]\n[first]\n[]\n");
    say("pid %d\n", (int)getpid());
    return success();
}
