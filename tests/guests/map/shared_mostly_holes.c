// Shared memory is made far larger than what is stored in it: its holes cost nothing, what is between them is there, and what was
// punched out is zero again in a new mapping.
#include "guest.h"

#define SIZE (UINT64_C(1) << 30)
#define FAR (SIZE - 300000)

int main(void) {
    int fd = memfd_create("arena", 0);
    CHECK(fd >= 0 && ftruncate(fd, SIZE) == 0);
    CHECK(pwrite(fd, "first", 6, 12345) == 6 && pwrite(fd, "last", 5, FAR) == 5);
    CHECK(lseek(fd, 777, SEEK_SET) == 777);
    char *area = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    CHECK(area != MAP_FAILED);
    // To map it does not move where the descriptor stands.
    CHECK(lseek(fd, 0, SEEK_CUR) == 777);
    CHECK(strcmp(area + 12345, "first") == 0 && strcmp(area + FAR, "last") == 0);
    CHECK(area[SIZE / 2] == 0 && area[SIZE - 1] == 0);
    pid_t child = fork();
    if (child == 0) {
        sprintf(area + SIZE / 2, "pid %d", getpid());
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    say("the child left %s\n", area + SIZE / 2);
    CHECK(munmap(area, SIZE) == 0);
    CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE / 4) == 0);
    CHECK(pwrite(fd, "between", 8, SIZE / 8 * 3) == 8);
    area = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(area != MAP_FAILED);
    CHECK(area[12345] == 0 && strcmp(area + SIZE / 8 * 3, "between") == 0 && strcmp(area + FAR, "last") == 0);
    say("and again %s\n", area + SIZE / 2);
    // A private mapping of the same.
    char *copy = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    CHECK(copy != MAP_FAILED && strcmp(copy + FAR, "last") == 0 && copy[1] == 0);
    return success();
}
