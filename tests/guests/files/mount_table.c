// The mount table is readable and lists the root; mounting is refused or not, as this user's rights say.
#include "guest.h"
#include <sys/mount.h>

int main(void) {
    static char text[100000];
    CHECK(read_file("/proc/self/mounts", text, sizeof text) > 0 && strstr(text, " / "));
    CHECK(read_file("/proc/self/mountinfo", text, sizeof text) > 0);
    CHECK(mount("none", "/absent/place", "tmpfs", 0, NULL) == -1 && (errno == EPERM || errno == ENOENT));
    say("%zu bytes\n", strlen(text));
    return success();
}
