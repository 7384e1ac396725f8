// flags: -pthread
// Threads wait in read, readv, recvmsg, poll, epoll_wait and accept4; when these can go on, another thread looks at their buffers,
// and forks, before it makes a call.
#include "handover.h"
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>

static int pipes[4][2], sockets[2], epoll, server;
static volatile char text[64], halves[2][4], control[128];
static volatile struct pollfd fds[2];
static volatile struct epoll_event events[8];
static volatile struct sockaddr_in peer;
static volatile socklen_t peer_len = sizeof peer;
static struct msghdr message;

static void *reads(void *given) {
    (void)given;
    CHECK(read(pipes[0][0], (char *)text, sizeof text) == 5 && memcmp((char *)text, "hello", 5) == 0 && text[5] == 0);
    return NULL;
}

static void *reads_vectors(void *given) {
    (void)given;
    struct iovec vectors[] = {{(char *)halves[0], 4}, {NULL, 0}, {(char *)halves[1], 4}};
    CHECK(readv(pipes[1][0], vectors, 3) == 6 && memcmp((char *)halves, "abcdef\0", 8) == 0);
    CHECK(vectors[0].iov_base == halves[0] && vectors[2].iov_base == halves[1]);
    return NULL;
}

static void *receives(void *given) {
    static char data[16];
    struct iovec vector = {data, sizeof data};
    message = (struct msghdr){.msg_iov = &vector, .msg_iovlen = 1, .msg_control = (char *)control, .msg_controllen = sizeof control};
    CHECK(recvmsg(sockets[0], &message, MSG_CMSG_CLOEXEC) == 3 && memcmp(data, "fd\n", 3) == 0);
    CHECK(message.msg_iov == &vector && message.msg_control == control && message.msg_controllen == CMSG_SPACE(sizeof(int)));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    CHECK(header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)));
    memcpy(given, CMSG_DATA(header), sizeof(int));
    return NULL;
}

static void *polls(void *given) {
    (void)given;
    fds[0] = (struct pollfd){pipes[2][0], POLLIN, -1};
    fds[1] = (struct pollfd){-1, POLLIN, 77};
    CHECK(poll((struct pollfd *)fds, 2, 10000) == 1 && fds[0].revents == POLLIN && fds[1].revents == 0);
    // This one was changed meanwhile, by another thread.
    CHECK(fds[1].events == POLLPRI);
    return NULL;
}

static void *waits_for_events(void *given) {
    (void)given;
    CHECK(epoll_wait(epoll, (struct epoll_event *)events, 8, 10000) == 1 && events[0].data.u64 == 0x1122334455667788);
    CHECK(events[1].data.u64 == 0);
    return NULL;
}

static void *accepts(void *given) {
    int fd = accept4(server, (struct sockaddr *)&peer, (socklen_t *)&peer_len, SOCK_CLOEXEC);
    CHECK(fd >= 0 && peer_len == sizeof peer && peer.sin_family == AF_INET && peer.sin_port != 0);
    *(int *)given = fd;
    return NULL;
}

int main(void) {
    for (int i = 0; i < 4; i++)
        CHECK(pipe(pipes[i]) == 0);

    pthread_t thread = start(reads, NULL);
    write_all(pipes[0][1], "hello", 5);
    look("read", text, sizeof text);
    CHECK(pthread_join(thread, NULL) == 0);

    thread = start(reads_vectors, NULL);
    write_all(pipes[1][1], "abcdef", 6);
    look("readv", halves, sizeof halves);
    CHECK(pthread_join(thread, NULL) == 0);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    int received = -1;
    thread = start(receives, &received);
    struct iovec vector = {"fd\n", 3};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } rights = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    memcpy(CMSG_DATA(&rights.header), &pipes[3][1], sizeof(int));
    struct msghdr sent = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
    CHECK(sendmsg(sockets[1], &sent, 0) == 3);
    look("recvmsg's control", control, sizeof control);
    say("recvmsg's header: %u\n", digest(&message, sizeof message));
    CHECK(pthread_join(thread, NULL) == 0);
    write_all(received, "x", 1);
    read_all(pipes[3][0], (char *)text, 1);

    thread = start(polls, NULL);
    fds[1].events = POLLPRI;
    write_all(pipes[2][1], "x", 1);
    look("poll", fds, sizeof fds);
    CHECK(pthread_join(thread, NULL) == 0);

    epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1122334455667788};
    CHECK(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0][0], &event) == 0);
    thread = start(waits_for_events, NULL);
    write_all(pipes[0][1], "x", 1);
    look("epoll_wait", events, sizeof events);
    CHECK(pthread_join(thread, NULL) == 0);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    server = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(server >= 0 && bind(server, (struct sockaddr *)&address, len) == 0 && listen(server, 1) == 0);
    CHECK(getsockname(server, (struct sockaddr *)&address, &len) == 0);
    int accepted = -1, client = socket(AF_INET, SOCK_STREAM, 0);
    thread = start(accepts, &accepted);
    CHECK(connect(client, (struct sockaddr *)&address, len) == 0);
    look("accept4", &peer, sizeof peer);
    CHECK(pthread_join(thread, NULL) == 0);
    say("port %d\n", ntohs(peer.sin_port));
    return success();
}
