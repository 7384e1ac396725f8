// Customers of the shop: threads that order over HTTP, each on a connection of its own that it keeps.
// customer PORT THREADS ORDERS. Prints how many answers came, and what they add up to.
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int port, orders;
static const char *items[] = {"apples", "pears", "plums", "figs"};

struct tally {
    int number, answers, total;
};

static void die(const char *what) {
    perror(what);
    exit(1);
}

// Reads one response; returns the number behind "total" in its body.
static int response(FILE *stream) {
    char line[512];
    int length = -1, total = -1;
    if (!fgets(line, sizeof line, stream) || strncmp(line, "HTTP/1.1 200", 12) != 0)
        die("no good response");
    while (fgets(line, sizeof line, stream) && line[0] != '\r')
        sscanf(line, "Content-Length: %d", &length);
    if (length < 0 || length >= (int)sizeof line || fread(line, 1, length, stream) != (size_t)length)
        die("no body");
    line[length] = 0;
    char *at = strstr(line, "\"total\":");
    if (!at || sscanf(at, "\"total\":%d", &total) != 1)
        die("no total");
    return total;
}

static void *customer(void *argument) {
    struct tally *tally = argument;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    FILE *stream = fdopen(dup(fd), "r");
    for (int i = 0; i < orders; i++) {
        char body[128], request[512];
        snprintf(body, sizeof body, "{\"id\":\"c%d-%d\",\"item\":\"%s\",\"count\":%d}", tally->number, i,
                 items[(tally->number + i) % 4], 1 + i % 5);
        int length = snprintf(request, sizeof request,
                              "POST /order HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
                              "Content-Length: %zu\r\n\r\n%s",
                              strlen(body), body);
        if (write(fd, request, length) != length)
            die("write");
        tally->total += response(stream);
        tally->answers++;
    }
    fclose(stream);
    close(fd);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 64;
    port = atoi(argv[1]);
    int threads = atoi(argv[2]), answers = 0, total = 0;
    orders = atoi(argv[3]);
    pthread_t ids[16];
    struct tally tallies[16] = {0};
    if (threads > 16)
        return 64;
    for (int i = 0; i < threads; i++) {
        tallies[i].number = i;
        if (pthread_create(&ids[i], NULL, customer, &tallies[i]) != 0)
            die("pthread_create");
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        answers += tallies[i].answers;
        total += tallies[i].total;
    }
    printf("customers answers %d total %d\n", answers, total);
    return 0;
}
