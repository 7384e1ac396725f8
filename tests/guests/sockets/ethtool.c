// What a network interface's driver tells lies behind a pointer in the request.
#include "guest.h"
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

int main(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq request = {.ifr_data = 0};
    struct ethtool_drvinfo driver;
    int told = 0;
    for (int index = 1; index < 16 && !told; index++) {
        if (if_indextoname(index, request.ifr_name) == NULL)
            continue;
        driver = (struct ethtool_drvinfo){.cmd = ETHTOOL_GDRVINFO};
        request.ifr_data = (char *)&driver;
        told = ioctl(fd, SIOCETHTOOL, &request) == 0;
    }
    if (!told) {
        say("no interface has a driver that tells of it\n");
        return success();
    }
    say("driver %s, version %s, bus %s\n", driver.driver, driver.version, driver.bus_info);
    // At the end of a page, behind which there is none.
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED && munmap(pages + 4096, 4096) == 0);
    struct ethtool_drvinfo *last = (struct ethtool_drvinfo *)(pages + 4096) - 1;
    last->cmd = ETHTOOL_GDRVINFO;
    request.ifr_data = (char *)last;
    CHECK(ioctl(fd, SIOCETHTOOL, &request) == 0 && strcmp(last->driver, driver.driver) == 0);
    return success();
}
