// A hundred times /bin/true by fork and exec.
#include "guest.h"

int main(void) {
    for (int i = 0; i < 100; i++) {
        pid_t child = fork_checked();
        if (child == 0) {
            execl("/bin/true", "true", (char *)NULL);
            _exit(127);
        }
        reap_exit(child, 0);
    }
    say("pid %d\n", (int)getpid());
    return success();
}
