// mprotect takes writing and reading away, and gives them back with the contents kept.
#include "guest.h"

static int dies_by_segv(volatile char *at, int writes) {
    pid_t child = fork_checked();
    if (child == 0) {
        if (writes)
            *at = 1;
        else
            (void)*at;
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

int main(void) {
    char *area = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(area != MAP_FAILED);
    memset(area, 'x', 3 * 4096);
    CHECK(mprotect(area + 4096, 4096, PROT_READ) == 0);
    CHECK(!dies_by_segv(area, 1) && dies_by_segv(area + 4096, 1) && !dies_by_segv(area + 4096, 0));
    CHECK(mprotect(area + 4096, 4096, PROT_NONE) == 0);
    CHECK(dies_by_segv(area + 4096, 0) && !dies_by_segv(area + 8192, 1));
    CHECK(mprotect(area, 3 * 4096, PROT_READ | PROT_WRITE) == 0);
    area[4096] = 'y';
    CHECK(area[4097] == 'x');
    CHECK_ERRNO(mprotect(area + 1, 4096, PROT_READ), EINVAL);
    say("area at %p\n", (void *)area);
    return success();
}
