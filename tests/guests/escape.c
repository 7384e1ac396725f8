// Makes the file argv[1] by a system call that no net sees: from the engine's own code, by jumping to a `syscall; ret` in it.
// Not a guest of a topic: a recording lets it happen, and a replay must not. Without an engine there is nothing to jump to.
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf unmapped;

static void handler(int number) {
    (void)number;
    siglongjmp(unmapped, 1);
}

static unsigned char *find(void) {
    unsigned char *volatile page;
    for (page = (unsigned char *)0x70000000; page < (unsigned char *)0x70100000; page += 4096) {
        if (sigsetjmp(unmapped, 1))
            continue;
        // The last two bytes of a page are left out: the next page may not be there.
        for (int at = 0; at < 4094; at++)
            if (page[at] == 0x0f && page[at + 1] == 0x05 && page[at + 2] == 0xc3)
                return page + at;
    }
    return NULL;
}

int main(int argc, char **argv) {
    install(SIGSEGV, handler, 0);
    unsigned char *door = find();
    if (!door)
        SKIP("no engine here");
    CHECK(argc == 2);
    register long r10 __asm__("r10") = 0644;
    long result;
    __asm__ volatile("call *%[door]"
                     : "=a"(result)
                     : "a"((long)SYS_openat), "D"((long)AT_FDCWD), "S"(argv[1]), "d"((long)(O_CREAT | O_EXCL | O_WRONLY)), "r"(r10), [door] "r"(door)
                     : "rcx", "r11", "memory");
    say("result %ld\n", result);
    CHECK(result >= 0);
    return success();
}
