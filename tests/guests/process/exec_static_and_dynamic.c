// flags: -static
// A static program execs a dynamic one, /bin/sh, which execs the static one again.
#include "guest.h"

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) {
        say("static again, pid %d\n", (int)getpid());
        return success();
    }
    execl("/bin/sh", "sh", "-c", "echo \"shell $$\"; exec \"$0\" again", self_path(), (char *)NULL);
    CHECK(!"exec");
}
