// exec with no arguments at all gives the new program one empty argument, as kernels since 5.18 do.
#include "guest.h"

int main(int argc, char **argv) {
    if (argc >= 1 && argv[0][0] == 0) {
        CHECK(argc == 1 && argv[1] == NULL);
        return success();
    }
    char *nothing[] = {NULL};
    execve(self_path(), nothing, nothing);
    if (errno == EFAULT || errno == EINVAL)
        SKIP("this kernel refuses an empty argv");
    CHECK(!"exec");
}
