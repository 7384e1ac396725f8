// Under `ulimit -v` of 256 MiB a program starts, allocates little, and is refused much with ENOMEM.
#include "guest.h"

int main(int argc, char **argv) {
    (void)argv;
    if (argc == 1) {
        struct rlimit limit = {256 << 20, 256 << 20};
        CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
        execl(self_path(), "small_address_space", "limited", (char *)NULL);
        CHECK(!"exec");
    }
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur == 256 << 20);
    char *little = malloc(1 << 20);
    CHECK(little);
    memset(little, 1, 1 << 20);
    void *much = mmap(NULL, 512 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(much == MAP_FAILED && errno == ENOMEM);
    CHECK(malloc(512 << 20) == NULL);
    say("little at %p\n", (void *)little);
    pid_t child = fork_checked();
    if (child == 0)
        _exit(malloc(512 << 20) ? 1 : 5);
    reap_exit(child, 5);
    return success();
}
