// The mask in a handler's context is what the program has after the handler, and the handler may edit it.
#include "guest.h"
#include <ucontext.h>

static void handler(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    ucontext_t *user = context;
    CHECK(sigismember(&user->uc_sigmask, SIGTERM) && !sigismember(&user->uc_sigmask, SIGUSR1));
    sigaddset(&user->uc_sigmask, SIGHUP);
    sigdelset(&user->uc_sigmask, SIGTERM);
    CHECK((uintptr_t)user->uc_mcontext.gregs[REG_RSP] > (uintptr_t)&user);
    CHECK(user->uc_mcontext.fpregs != NULL);
}

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    CHECK(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
    install_info(SIGUSR1, handler, 0);
    raise(SIGUSR1);
    CHECK(sigprocmask(SIG_SETMASK, NULL, &set) == 0);
    CHECK(sigismember(&set, SIGHUP) && !sigismember(&set, SIGTERM) && !sigismember(&set, SIGUSR1));
    say("pid %d\n", (int)getpid());
    return success();
}
