// A background child writes its last line after the first process has ended.
#include "guest.h"

int main(void) {
    pid_t parent = getpid();
    pid_t child = fork_checked();
    if (child == 0) {
        while (getppid() == parent)
            sleep_ms(1);
        sleep_ms(20);
        say("still here: %d\n", (int)getpid());
        return success();
    }
    say("parent %d leaves\n", (int)parent);
    return 0;
}
