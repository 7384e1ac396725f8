// The auxiliary vector describes this program: its headers lie in its image, its entry in its text, its name is the path.
#include "guest.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>

extern char _start[], __executable_start[], end[];

int main(void) {
    uintptr_t headers = getauxval(AT_PHDR);
    CHECK(headers >= (uintptr_t)__executable_start && headers < (uintptr_t)end);
    CHECK(getauxval(AT_PHENT) == sizeof(Elf64_Phdr));
    CHECK(getauxval(AT_PHNUM) == ((Elf64_Ehdr *)__executable_start)->e_phnum);
    CHECK(memcmp((void *)headers, __executable_start + ((Elf64_Ehdr *)__executable_start)->e_phoff, sizeof(Elf64_Phdr)) == 0);
    CHECK(getauxval(AT_ENTRY) == (uintptr_t)_start);
    CHECK(getauxval(AT_PAGESZ) == 4096 && getauxval(AT_CLKTCK) == 100);
    CHECK(getauxval(AT_UID) == getuid() && getauxval(AT_EUID) == geteuid());
    CHECK(getauxval(AT_GID) == getgid() && getauxval(AT_EGID) == getegid());
    CHECK(getauxval(AT_SECURE) == 0);
    CHECK(strcmp((char *)getauxval(AT_PLATFORM), "x86_64") == 0);
    Elf64_Ehdr *interpreter = (Elf64_Ehdr *)getauxval(AT_BASE);
    CHECK(interpreter && memcmp(interpreter->e_ident, ELFMAG, SELFMAG) == 0 && interpreter->e_type == ET_DYN);
    CHECK(strcmp((char *)getauxval(AT_EXECFN), program_invocation_name) == 0);
    say("headers %#lx entry %#lx interpreter %p hwcap %#lx\n", headers, getauxval(AT_ENTRY), (void *)interpreter, getauxval(AT_HWCAP));
    return success();
}
