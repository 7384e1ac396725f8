// getaddrinfo resolves localhost, numbers and nothing, and getnameinfo goes back.
#include "loopback.h"
#include <netdb.h>

int main(void) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    // A bare system has no /etc/hosts, and so perhaps no such name.
    int code = getaddrinfo("localhost", "8080", &hints, &found);
    say("localhost: %s\n", code ? gai_strerror(code) : "found");
    if (code == 0) {
        struct sockaddr_in *address = (struct sockaddr_in *)found->ai_addr;
        CHECK(address->sin_port == htons(8080) && (ntohl(address->sin_addr.s_addr) >> 24) == 127);
        freeaddrinfo(found);
    } else {
        CHECK(access("/etc/hosts", F_OK) == -1);
    }
    CHECK(getaddrinfo("127.0.0.1", NULL, &hints, &found) == 0);
    char host[256], service[32];
    CHECK(getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof host, service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV) == 0);
    CHECK(strcmp(host, "127.0.0.1") == 0);
    freeaddrinfo(found);
    hints.ai_flags = AI_NUMERICHOST;
    CHECK(getaddrinfo("not a number", NULL, &hints, &found) == EAI_NONAME);
    say("%s %s\n", host, service);
    return success();
}
