// A SIGSEGV handler gives the page its rights by mprotect, and the instruction is tried again.
#include "guest.h"

static char *area;
static volatile int faults;

static void handler(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    char *page = (char *)((uintptr_t)info->si_addr & ~4095ul);
    CHECK(page >= area && page < area + 64 * 4096);
    CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
    faults++;
}

int main(void) {
    install_info(SIGSEGV, handler, 0);
    area = mmap(NULL, 64 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(area != MAP_FAILED);
    for (int page = 0; page < 64; page++)
        area[page * 4096 + page] = (char)page;
    CHECK(faults == 64);
    for (int page = 0; page < 64; page++)
        CHECK(area[page * 4096 + page] == (char)page);
    CHECK(faults == 64);
    say("area %p\n", (void *)area);
    return success();
}
