// Handles of files: bytes that say their own length, written only as far as there is room.
#include "guest.h"

int main(void)
{
    enter_scratch();
    write_file("named", "x");
    struct {
        struct file_handle head;
        char room[MAX_HANDLE_SZ];
    } handle = {.head.handle_bytes = 0};
    int mount = -1;
    int result = name_to_handle_at(AT_FDCWD, "named", &handle.head, &mount, 0);
    CHECK(result == -1);
    if (errno == EOPNOTSUPP || errno == EPERM || errno == ENOSYS) {
        say("this file system has no handles\n");
        return success();
    }
    CHECK(errno == EOVERFLOW && handle.head.handle_bytes > 0);
    unsigned size = handle.head.handle_bytes;
    handle.head.handle_bytes = MAX_HANDLE_SZ;
    CHECK(name_to_handle_at(AT_FDCWD, "named", &handle.head, &mount, 0) == 0 && handle.head.handle_bytes == size);
    say("mount %d, type %d:", mount, handle.head.handle_type);
    for (unsigned at = 0; at < size; at++)
        say(" %02x", handle.head.f_handle[at]);
    say("\n");
    // Who may open by it reads what was written.
    int there = open(".", O_RDONLY | O_DIRECTORY), opened = open_by_handle_at(there, &handle.head, O_RDONLY);
    char text[4];
    if (opened >= 0)
        CHECK(read(opened, text, sizeof text) == 1 && text[0] == 'x');
    return success();
}
