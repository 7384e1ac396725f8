// /proc/self/auxv agrees with the vector on the stack, which ends with a null entry.
#include "guest.h"
#include <elf.h>

int main(int argc, char **argv, char **envp) {
    (void)argc, (void)argv;
    while (*envp++)
        ;
    Elf64_auxv_t *vector = (Elf64_auxv_t *)envp;
    Elf64_auxv_t entries[64];
    size_t length = read_file("/proc/self/auxv", (char *)entries, sizeof entries);
    CHECK(length >= 2 * sizeof entries[0] && length % sizeof entries[0] == 0);
    int checked = 0;
    for (size_t i = 0; i < length / sizeof entries[0] && entries[i].a_type != AT_NULL; i++) {
        // The kernel's vDSO may be hidden from one view or both.
        if (entries[i].a_type == AT_SYSINFO_EHDR)
            continue;
        Elf64_auxv_t *same = vector;
        while (same->a_type != AT_NULL && same->a_type != entries[i].a_type)
            same++;
        CHECK(same->a_type == entries[i].a_type && same->a_un.a_val == entries[i].a_un.a_val);
        checked++;
    }
    CHECK(checked > 10);
    int entry = 0;
    while (vector[entry].a_type != AT_NULL)
        CHECK(entry++ < 64);
    say("%d entries at %p\n", entry, (void *)vector);
    return success();
}
