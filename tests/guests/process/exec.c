// exec replaces the program: same pid, new memory, new arguments and environment, handlers reset.
#include "guest.h"

static int memory = 1;

static void handler(int number) { (void)number; }

int main(int argc, char **argv) {
    if (argc > 1) {
        struct sigaction action;
        CHECK(memory == 1 && atoi(argv[1]) == getpid());
        CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
        CHECK(strcmp(getenv("ONLY"), "this") == 0 && getenv("PATH") == NULL);
        CHECK(alarm(0) > 0);
        return success();
    }
    memory = 2;
    install(SIGUSR1, handler, 0);
    alarm(1000);
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    say("pid %s\n", pid);
    char *environment[] = {"ONLY=this", NULL};
    execle(self_path(), "exec", pid, (char *)NULL, environment);
    CHECK(!"exec");
}
