// process_vm_readv and process_vm_writev reach into a child's memory, where that is allowed.
#include "guest.h"

static char text[32] = "before";

int main(void) {
    int gate[2], ready[2];
    CHECK(pipe(gate) == 0 && pipe(ready) == 0);
    pid_t child = fork_checked();
    if (child == 0) {
        char byte;
        strcpy(text, "in the child");
        write_all(ready[1], "x", 1);
        read_all(gate[0], &byte, 1);
        _exit(strcmp(text, "from outside") == 0 ? 5 : 6);
    }
    char byte, seen[32] = "";
    read_all(ready[0], &byte, 1);
    struct iovec local = {seen, sizeof seen}, remote = {text, sizeof text};
    ssize_t got = process_vm_readv(child, &local, 1, &remote, 1, 0);
    if (got == -1) {
        CHECK(errno == EPERM || errno == ENOSYS);
        write_all(gate[1], "x", 1);
        reap_exit(child, 6);
        SKIP("reading another process's memory is not allowed here");
    }
    CHECK(got == sizeof seen && strcmp(seen, "in the child") == 0);
    local.iov_base = "from outside";
    local.iov_len = remote.iov_len = 13;
    CHECK(process_vm_writev(child, &local, 1, &remote, 1, 0) == 13);
    write_all(gate[1], "x", 1);
    reap_exit(child, 5);
    say("child %d\n", (int)child);
    return success();
}
