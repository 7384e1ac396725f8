// flags: -ldl
// A library that is loaded at run time works, is unloaded, and is loaded again.
#include "guest.h"
#include <dlfcn.h>

int main(void) {
    for (int round = 0; round < 3; round++) {
        void *library = dlopen("libm.so.6", RTLD_NOW);
        CHECK(library);
        double (*cosine)(double);
        *(void **)&cosine = dlsym(library, "cos");
        CHECK(cosine && cosine(0.0) == 1.0);
        say("cos at %p\n", *(void **)&cosine);
        CHECK(dlclose(library) == 0);
    }
    CHECK(dlopen("libabsent-from-every-machine.so", RTLD_NOW) == NULL);
    say("%s\n", dlerror());
    return success();
}
