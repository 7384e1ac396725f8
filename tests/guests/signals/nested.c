// Handlers interrupt each other, masks of sa_mask hold inside, and the mask from before is back after each.
#include "guest.h"

static char trace[100];

static void inner(int number) {
    (void)number;
    strcat(trace, "(inner)");
}

static void outer(int number) {
    (void)number;
    sigset_t mask;
    strcat(trace, "(outer");
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
    CHECK(sigismember(&mask, SIGUSR1) && sigismember(&mask, SIGTERM) && !sigismember(&mask, SIGUSR2));
    raise(SIGUSR2);
    raise(SIGTERM);
    raise(SIGUSR1);
    strcat(trace, "outer)");
}

static void on_term(int number) {
    (void)number;
    strcat(trace, "(term)");
}

int main(void) {
    struct sigaction action = {.sa_handler = outer};
    sigaddset(&action.sa_mask, SIGTERM);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    install(SIGUSR2, inner, 0);
    install(SIGTERM, on_term, 0);
    pid_t child = fork_checked();
    if (child == 0) {
        // The second round, from the signal that was raised inside, would go on for ever.
        action.sa_flags = SA_RESETHAND;
        CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
        raise(SIGUSR1);
        _exit(0);
    }
    reap_killed(child, SIGUSR1);
    install(SIGUSR1, inner, 0);
    action.sa_flags = 0;
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    trace[0] = 0;
    raise(SIGUSR1);
    CHECK(strcmp(trace, "(inner)") == 0);
    sigset_t mask;
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && !sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGTERM));
    say("%s\n", trace);
    return success();
}
