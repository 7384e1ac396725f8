// capget reads this process's capabilities, as /proc shows them.
#include "guest.h"
#include <linux/capability.h>

int main(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    CHECK(syscall(SYS_capget, &header, data) == 0);
    char text[8192], expected[64];
    read_file("/proc/self/status", text, sizeof text);
    snprintf(expected, sizeof expected, "\nCapEff:\t%08x%08x\n", data[1].effective, data[0].effective);
    CHECK(strstr(text, expected));
    CHECK(prctl(PR_CAPBSET_READ, 0) >= 0);
    header.version = 0;
    CHECK_ERRNO(syscall(SYS_capget, &header, data), EINVAL);
    CHECK(header.version == _LINUX_CAPABILITY_VERSION_3);
    say("%s", expected + 1);
    return success();
}
