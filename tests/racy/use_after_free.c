// flags: -fsanitize=address -g
// Use after free: a reader takes the current configuration, without a reference to it, while another thread replaces it.
#include "racy.h"

// The search for leaks needs ptrace, which a replay does not have.
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}

static struct config {
    int version;
    char name[60];
} *_Atomic current;

static struct config *load(int version) {
    struct config *fresh = malloc(sizeof *fresh);
    if (!fresh)
        abort();
    fresh->version = version;
    snprintf(fresh->name, sizeof fresh->name, "configuration %d", version);
    return fresh;
}

static void *serve(void *unused) {
    for (int i = 0; i < 5; i++) {
        struct config *config = current;
        log_line("a request\n");
        if (config->version < 0)
            abort();
    }
    return unused;
}

static void *reload(void *unused) {
    struct config *old = current;
    current = load(2);
    free(old);
    return unused;
}

int main(void) {
    current = load(1);
    log_line("open\n");
    pthread_t server, reloader;
    thread(&server, serve, NULL);
    thread(&reloader, reload, NULL);
    pthread_join(server, NULL);
    pthread_join(reloader, NULL);
    free(current);
    return verdict(0, "all requests were served");
}
