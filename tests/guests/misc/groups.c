// User and group ids, supplementary groups, and names from the password file.
#include "guest.h"
#include <grp.h>
#include <pwd.h>
#include <sys/fsuid.h>

int main(void) {
    gid_t groups[1000];
    int count = getgroups(1000, groups);
    CHECK(count >= 0 && getgroups(0, NULL) == count);
    struct passwd *user = getpwuid(0);
    CHECK(user && strcmp(user->pw_name, "root") == 0);
    struct group *group = getgrgid(0);
    CHECK(group && strcmp(group->gr_name, "root") == 0);
    CHECK(getpwnam("a-user-that-does-not-exist") == NULL);
    CHECK(setuid(getuid()) == 0 && setgid(getgid()) == 0 && setreuid((uid_t)-1, (uid_t)-1) == 0);
    CHECK(setfsuid((uid_t)-1) == (int)geteuid());
    if (getuid() != 0)
        CHECK_ERRNO(setuid(0), EPERM);
    say("uid %u gid %u, %d groups\n", getuid(), getgid(), count);
    return success();
}
