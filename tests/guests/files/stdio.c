// Buffered output through stdio, with a buffer that is flushed at exit and not twice over a fork after fflush.
#include "guest.h"

int main(void) {
    enter_scratch();
    FILE *file = fopen("file", "w+");
    CHECK(file);
    for (int i = 0; i < 5000; i++)
        CHECK(fprintf(file, "line %d of process %d\n", i, (int)getpid()) > 0);
    CHECK(fflush(file) == 0);
    rewind(file);
    char line[100];
    int number = 0, pid;
    while (fgets(line, sizeof line, file)) {
        int seen;
        CHECK(sscanf(line, "line %d of process %d", &seen, &pid) == 2 && seen == number && pid == getpid());
        number++;
    }
    CHECK(number == 5000);
    CHECK(fseek(file, -10, SEEK_END) == 0 && ftell(file) > 100000 && fclose(file) == 0);
    FILE *temporary = tmpfile();
    CHECK(temporary && fputs("x", temporary) >= 0 && fclose(temporary) == 0);
    printf("buffered by stdio, pid %d\n", (int)getpid());
    fflush(stdout);
    pid_t child = fork_checked();
    if (child == 0) {
        printf("child\n");
        exit(0);
    }
    reap_exit(child, 0);
    printf("EXIT-SUCCESS\n");
    return 0;
}
