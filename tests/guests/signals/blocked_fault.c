// A fault whose signal is blocked or ignored kills all the same.
#include "guest.h"

int main(void) {
    for (int way = 0; way < 2; way++) {
        pid_t child = fork_checked();
        if (child == 0) {
            sigset_t set;
            sigfillset(&set);
            if (way == 0)
                CHECK(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
            else
                signal(SIGSEGV, SIG_IGN);
            __asm__ volatile("movb $1, 8" ::: "memory");
            _exit(0);
        }
        reap_killed(child, SIGSEGV);
        say("child %d\n", (int)child);
    }
    return success();
}
