// Loaded in front of libc: a disk on which the third flush takes most of a second.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

int fsync(int fd) {
    static int flushes;
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    if (++flushes == 3)
        usleep(900000);
    return real(fd);
}
