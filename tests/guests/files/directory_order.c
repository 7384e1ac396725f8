// readdir gives every entry once, in an order that only the file system knows, with its inode number.
#include "guest.h"
#include <dirent.h>

int main(void) {
    enter_scratch();
    char name[32];
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "entry-%d-%d", i * 7919 % 60, (int)getpid());
        write_file(name, "");
    }
    DIR *directory = opendir(".");
    CHECK(directory);
    struct dirent *entry;
    int count = 0;
    long middle = 0;
    while ((entry = readdir(directory))) {
        struct stat status;
        CHECK(lstat(entry->d_name, &status) == 0);
        CHECK(strcmp(entry->d_name, "..") == 0 || status.st_ino == entry->d_ino);
        CHECK(entry->d_type == DT_UNKNOWN || (entry->d_type == DT_DIR) == !!S_ISDIR(status.st_mode));
        if (++count == 30)
            middle = telldir(directory);
        say("%s %lu\n", entry->d_name, (unsigned long)entry->d_ino);
    }
    CHECK(count == 62);
    rewinddir(directory);
    int again = 0;
    while (readdir(directory))
        again++;
    CHECK(again == 62);
    seekdir(directory, middle);
    for (again = 0; readdir(directory); again++)
        ;
    CHECK(again == 32);
    CHECK(closedir(directory) == 0);
    return success();
}
