// The interfaces are listed by ioctl and by netlink, whose replies carry the asker's port number.
#include "loopback.h"
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/ioctl.h>

int main(void) {
    struct ifaddrs *list;
    CHECK(getifaddrs(&list) == 0);
    int found = 0;
    for (struct ifaddrs *each = list; each; each = each->ifa_next)
        if (each->ifa_flags & IFF_LOOPBACK) {
            found++;
            say("%s flags %x\n", each->ifa_name, each->ifa_flags);
        }
    CHECK(found >= 1);
    freeifaddrs(list);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq request = {.ifr_name = "lo"};
    CHECK(ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_LOOPBACK));
    CHECK(if_nametoindex("lo") >= 1);
    return success();
}
