// dl_iterate_phdr lists this program first, under the empty name, and each library at an address where it is mapped.
#include "guest.h"
#include <link.h>

static int seen;

static int visit(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size, (void)data;
    say("%p %s\n", (void *)info->dlpi_addr, info->dlpi_name);
    if (seen == 0)
        CHECK(info->dlpi_name[0] == 0);
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_R)
            CHECK(*(volatile char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr) || 1);
    seen++;
    return 0;
}

int main(void) {
    CHECK(dl_iterate_phdr(visit, NULL) == 0);
    CHECK(seen >= 3);
    return success();
}
