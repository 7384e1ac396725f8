// A pseudo-terminal has a window size, echoes, edits lines, turns ^C into SIGINT, and hangs up when its master closes.
#include "guest.h"
#include <sys/ioctl.h>
#include <termios.h>

static size_t read_some(int fd, char *text, size_t wanted) {
    size_t used = 0;
    while (used < wanted) {
        ssize_t got = read(fd, text + used, wanted - used);
        CHECK(got > 0);
        used += (size_t)got;
    }
    text[used] = 0;
    return used;
}

int main(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master == -1)
        SKIP("there are no pseudo-terminals here");
    CHECK(grantpt(master) == 0 && unlockpt(master) == 0);
    char name[64], text[200];
    CHECK(ptsname_r(master, name, sizeof name) == 0);
    struct winsize size = {.ws_row = 33, .ws_col = 77}, seen;
    CHECK(ioctl(master, TIOCSWINSZ, &size) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(setsid() > 0);
        int terminal = open(name, O_RDWR);
        CHECK(terminal >= 0 && isatty(terminal));
        CHECK(ioctl(terminal, TIOCSCTTY, 0) == 0 && tcgetpgrp(terminal) == getpid());
        CHECK(ioctl(terminal, TIOCGWINSZ, &seen) == 0 && seen.ws_row == 33 && seen.ws_col == 77);
        struct termios settings;
        CHECK(tcgetattr(terminal, &settings) == 0 && (settings.c_lflag & ECHO) && (settings.c_lflag & ICANON));
        write_all(terminal, "ready\n", 6);
        char line[100];
        ssize_t got = read(terminal, line, sizeof line);
        CHECK(got == 6 && memcmp(line, "hello\n", 6) == 0);
        settings.c_lflag &= ~(tcflag_t)ECHO;
        CHECK(tcsetattr(terminal, TCSANOW, &settings) == 0);
        dprintf(terminal, "got it\n");
        for (;;)
            pause();
    }
    read_some(master, text, 7);
    CHECK(strcmp(text, "ready\r\n") == 0);
    // A typed slip and its erasure: the line discipline edits before the reader sees anything.
    write_all(master, "hellp\177o\n", 8);
    size_t used = 0;
    text[0] = 0;
    while (!strstr(text, "got it\r\n")) {
        ssize_t got = read(master, text + used, sizeof text - 1 - used);
        CHECK(got > 0);
        used += (size_t)got;
        text[used] = 0;
    }
    CHECK(strncmp(text, "hellp\b \bo\r\n", 11) == 0);
    write_all(master, "\003", 1);
    reap_killed(child, SIGINT);
    say("%s child %d\n", name, (int)child);
    return success();
}
