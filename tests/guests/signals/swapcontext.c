// Coroutines by makecontext and swapcontext, which set the signal mask by raw calls on stacks of the program's own.
#include "guest.h"
#include <ucontext.h>

static ucontext_t main_context, routine_context;
static int steps;

static void routine(void) {
    for (;;) {
        steps++;
        swapcontext(&routine_context, &main_context);
    }
}

int main(void) {
    static char stack[16384];
    CHECK(getcontext(&routine_context) == 0);
    routine_context.uc_stack.ss_sp = stack;
    routine_context.uc_stack.ss_size = sizeof stack;
    makecontext(&routine_context, routine, 0);
    for (int i = 1; i <= 200; i++) {
        CHECK(swapcontext(&main_context, &routine_context) == 0);
        CHECK(steps == i);
    }
    say("stack %p\n", (void *)stack);
    return success();
}
