// Locale, character conversion and the time zone, which map and read files of the system, work.
#include "guest.h"
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>

int main(void) {
    const char *locale = setlocale(LC_ALL, "C.UTF-8");
    CHECK(setlocale(LC_ALL, "") || setlocale(LC_ALL, "C"));
    iconv_t converter = iconv_open("UTF-16LE", "UTF-8");
    if (converter == (iconv_t)-1)
        SKIP("the C library has no UTF-16 converter");
    char in[] = "gr\xc3\xbc\xc3\x9f", out[32], *from = in, *to = out;
    size_t left = strlen(in), space = sizeof out;
    CHECK(iconv(converter, &from, &left, &to, &space) == 0 && left == 0 && space == sizeof out - 8);
    CHECK(iconv_close(converter) == 0);
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    time_t moment = 1700000000;
    struct tm local;
    CHECK(localtime_r(&moment, &local) && local.tm_year == 123);
    say("%s %s %d %s\n", locale ? locale : "none", nl_langinfo(CODESET), local.tm_hour, tzname[0]);
    return success();
}
