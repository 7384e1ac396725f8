// uname, gethostname, sysinfo and sysconf describe a machine that a replay elsewhere is not on.
#include "guest.h"
#include <sys/sysinfo.h>
#include <sys/utsname.h>

int main(void) {
    struct utsname names;
    struct sysinfo info;
    char host[256];
    CHECK(uname(&names) == 0 && strcmp(names.sysname, "Linux") == 0 && strcmp(names.machine, "x86_64") == 0);
    CHECK(gethostname(host, sizeof host) == 0 && strcmp(host, names.nodename) == 0);
    CHECK(sysinfo(&info) == 0 && info.totalram > 0 && info.procs > 0 && info.uptime > 0);
    CHECK(sysconf(_SC_NPROCESSORS_ONLN) > 0 && sysconf(_SC_PAGESIZE) == 4096);
    CHECK(get_nprocs() > 0 && gethostid() == gethostid());
    say("%s %s %s up %ld free %lu cpus %ld\n", names.nodename, names.release, names.version, info.uptime, info.freeram,
        sysconf(_SC_NPROCESSORS_ONLN));
    return success();
}
