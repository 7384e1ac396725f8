// flags: -fsanitize=undefined
// UndefinedBehaviorSanitizer reports an overflow on stderr and lets the program go on.
#include "guest.h"

int main(int argc, char **argv) {
    (void)argv;
    int big = INT_MAX;
    big += argc;
    say("sum %d\n", big);
    return success();
}
