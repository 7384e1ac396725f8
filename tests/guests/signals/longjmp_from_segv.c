// siglongjmp leaves a SIGSEGV handler, again and again, and the mask is restored each time.
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf back;
static void *volatile fault;

static void handler(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    fault = info->si_addr;
    CHECK(info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR);
    siglongjmp(back, 1);
}

int main(void) {
    install_info(SIGSEGV, handler, 0);
    char *area = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (volatile int i = 0; i < 100; i++) {
        char *volatile target = i % 2 ? (char *)(uintptr_t)(i * 16) : area + i;
        if (sigsetjmp(back, 1) == 0) {
            *(volatile char *)target = 1;
            CHECK(!"a fault");
        }
        CHECK(fault == target);
    }
    say("area %p\n", (void *)area);
    return success();
}
