// The part of a private file mapping's last page that lies beyond the end of the file reads as zeros; the next page is SIGBUS.
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf back;
static void *fault;

static void on_bus(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    fault = info->si_addr;
    siglongjmp(back, 1);
}

int main(void) {
    enter_scratch();
    write_file("file", "hello");
    int fd = open("file", O_RDONLY);
    char *area = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(area != MAP_FAILED);
    CHECK(memcmp(area, "hello", 5) == 0);
    for (int i = 5; i < 4096; i++)
        CHECK(area[i] == 0);
    area[4000] = 1;
    install_info(SIGBUS, on_bus, 0);
    if (sigsetjmp(back, 1) == 0) {
        (void)*(volatile char *)(area + 5000);
        CHECK(!"SIGBUS");
    }
    CHECK(fault == area + 5000);
    say("SIGBUS at %p\n", fault);
    return success();
}
