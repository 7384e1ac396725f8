// posix_spawn starts a program with file actions and attributes, and its output arrives through a pipe.
#include "guest.h"
#include <spawn.h>

int main(int argc, char **argv) {
    if (argc > 1) {
        say("spawned %d with %s and %s\n", (int)getpid(), argv[1], getenv("GREETING"));
        return 23;
    }
    int pipes[2];
    CHECK(pipe2(pipes, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    CHECK(posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attributes) == 0);
    CHECK(posix_spawn_file_actions_adddup2(&actions, pipes[1], 1) == 0);
    CHECK(posix_spawn_file_actions_addchdir_np(&actions, "/") == 0);
    CHECK(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF) == 0);
    char *arguments[] = {"spawn", "an argument", NULL}, *environment[] = {"GREETING=hello", NULL};
    pid_t child;
    CHECK(posix_spawn(&child, self_path(), &actions, &attributes, arguments, environment) == 0);
    CHECK(close(pipes[1]) == 0);
    char text[200] = "", expected[200];
    ssize_t length = 0, got;
    while ((got = read(pipes[0], text + length, sizeof text - 1 - (size_t)length)) > 0)
        length += got;
    reap_exit(child, 23);
    snprintf(expected, sizeof expected, "spawned %d with an argument and hello\n", (int)child);
    CHECK(strcmp(text, expected) == 0);
    say("%s", text);
    return success();
}
