// A pipeline of five processes passes numbers along, each stage adds one, and end-of-file travels down it.
#include "guest.h"

int main(void) {
    int in[2];
    CHECK(pipe(in) == 0);
    int head = in[1], from = in[0];
    pid_t stages[5];
    for (int stage = 0; stage < 5; stage++) {
        int out[2];
        CHECK(pipe(out) == 0);
        stages[stage] = fork_checked();
        if (stages[stage] == 0) {
            close(head);
            close(out[0]);
            int number;
            while (read(from, &number, sizeof number) == sizeof number) {
                number++;
                write_all(out[1], &number, sizeof number);
            }
            _exit(stage);
        }
        close(from);
        close(out[1]);
        from = out[0];
    }
    for (int i = 0; i < 500; i++)
        write_all(head, &i, sizeof i);
    close(head);
    int number;
    for (int i = 0; i < 500; i++) {
        read_all(from, &number, sizeof number);
        CHECK(number == i + 5);
    }
    CHECK(read(from, &number, 1) == 0);
    for (int stage = 0; stage < 5; stage++)
        reap_exit(stages[stage], stage);
    say("last stage %d\n", (int)stages[4]);
    return success();
}
