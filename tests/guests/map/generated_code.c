// Code written at run time runs, including a syscall instruction in it, and including code that replaces it at the same address.
#include "guest.h"

int main(void) {
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED)
        SKIP("memory that is writable and executable is forbidden here");
    // mov $SYS_getpid,%eax; syscall; ret
    unsigned char ask_pid[] = {0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0xc3};
    // mov $SYS_getppid,%eax; nop; nop; syscall; ret
    unsigned char ask_parent[] = {0xb8, SYS_getppid, 0, 0, 0, 0x90, 0x90, 0x0f, 0x05, 0xc3};
    // mov $7,%eax; ret
    unsigned char seven[] = {0xb8, 7, 0, 0, 0, 0xc3};
    for (int round = 0; round < 20; round++) {
        memcpy(code, ask_pid, sizeof ask_pid);
        CHECK(((int (*)(void))code)() == getpid());
        CHECK(((int (*)(void))code)() == getpid());
        memcpy(code, ask_parent, sizeof ask_parent);
        CHECK(((int (*)(void))code)() == getppid());
        memcpy(code, seven, sizeof seven);
        CHECK(((int (*)(void))code)() == 7);
    }
    memcpy(code, ask_pid, sizeof ask_pid);
    CHECK(mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
    for (int round = 0; round < 100; round++)
        CHECK(((int (*)(void))code)() == getpid());
    CHECK(memcmp(code, ask_pid, 5) == 0);
    say("code at %p\n", (void *)code);
    return success();
}
