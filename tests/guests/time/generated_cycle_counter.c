// rdtsc in code that was written at run time gives rising values, too.
#include "guest.h"

int main(void) {
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED)
        SKIP("memory that is writable and executable is forbidden here");
    // rdtsc; shl $32,%rdx; or %rdx,%rax; ret
    memcpy(code, "\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3", 10);
    uint64_t last = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t now = ((uint64_t(*)(void))code)();
        CHECK(now > last);
        last = now;
    }
    say("%lu\n", (unsigned long)last);
    return success();
}
