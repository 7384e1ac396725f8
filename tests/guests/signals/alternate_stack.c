// A handler with SA_ONSTACK runs on the alternate stack, sigaltstack says so from within, and one without runs on the usual one.
#include "guest.h"

static char stack[65536];
static volatile int inside, flags_inside;

static void handler(int number) {
    (void)number;
    char local;
    stack_t current;
    inside = &local >= stack && &local < stack + sizeof stack;
    CHECK(sigaltstack(NULL, &current) == 0);
    flags_inside = current.ss_flags;
    if (inside) {
        CHECK(current.ss_sp == stack && current.ss_size == sizeof stack);
        stack_t other = {.ss_flags = SS_DISABLE};
        CHECK_ERRNO(sigaltstack(&other, NULL), EPERM);
    }
}

int main(void) {
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack}, old;
    CHECK(sigaltstack(&alternate, &old) == 0 && (old.ss_flags & SS_DISABLE));
    install(SIGUSR1, handler, SA_ONSTACK);
    install(SIGUSR2, handler, 0);
    CHECK(raise(SIGUSR1) == 0 && inside && flags_inside == SS_ONSTACK);
    CHECK(raise(SIGUSR2) == 0 && !inside && flags_inside == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        CHECK(raise(SIGUSR1) == 0 && inside);
        _exit(0);
    }
    reap_exit(child, 0);
    alternate.ss_size = 10;
    CHECK_ERRNO(sigaltstack(&alternate, NULL), ENOMEM);
    alternate.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&alternate, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0 && !inside);
    say("stack %p\n", (void *)stack);
    return success();
}
