// A program that installs a seccomp filter of its own, allowing everything, goes on, and so do its children.
#include "guest.h"
#include <linux/filter.h>
#include <linux/seccomp.h>

int main(void) {
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        SKIP("seccomp filters are not available");
    pid_t child = fork_checked();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "echo child $$; exit 6", (char *)NULL);
        _exit(127);
    }
    reap_exit(child, 6);
    say("pid %d\n", (int)getpid());
    return success();
}
