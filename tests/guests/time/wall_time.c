// time, gettimeofday and clock_gettime agree about the second, by the library and by raw calls.
#include "guest.h"

int main(void) {
    struct timeval day, raw_day;
    struct timespec precise, raw_precise;
    time_t first = time(NULL), stored;
    CHECK(gettimeofday(&day, NULL) == 0 && clock_gettime(CLOCK_REALTIME, &precise) == 0);
    CHECK(syscall(SYS_gettimeofday, &raw_day, 0) == 0 && syscall(SYS_clock_gettime, CLOCK_REALTIME, &raw_precise) == 0);
    time_t raw = syscall(SYS_time, &stored);
    CHECK(raw == stored);
    // time() reads the coarse clock, which may lag by a tick.
    CHECK(day.tv_sec - first <= 1 && precise.tv_sec - day.tv_sec <= 1 && raw_day.tv_sec - precise.tv_sec <= 1 && raw - raw_day.tv_sec <= 1);
    CHECK(raw_day.tv_usec < 1000000 && raw_precise.tv_nsec < 1000000000);
    struct tm *utc = gmtime(&first);
    char text[100];
    CHECK(strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", utc) == 19);
    say("%s %ld.%06ld %ld.%09ld\n", text, day.tv_sec, (long)day.tv_usec, precise.tv_sec, precise.tv_nsec);
    tzset();
    say("%s", ctime(&first));
    return success();
}
