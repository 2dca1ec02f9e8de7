/* What the peers in C have in common: how they end on an error, and how they
 * begin to listen on IPv4-ADDRESS:PORT (0 for any port).
 *
 * It must never hold anything that runs while messages are exchanged: each
 * peer shows the whole of that in its own file. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BACKLOG = 4096 };

static void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in parse(const char *address) {
    struct sockaddr_in in = {.sin_family = AF_INET};
    char host[64];
    const char *colon = strrchr(address, ':');
    if (colon != NULL && (size_t)(colon - address) < sizeof host) {
        memcpy(host, address, (size_t)(colon - address));
        host[colon - address] = '\0';
        in.sin_port = htons((uint16_t)atoi(colon + 1));
        if (inet_pton(AF_INET, host, &in.sin_addr) == 1) return in;
    }
    fprintf(stderr, "'%s' is no IPv4 address:port\n", address);
    exit(2);
}

/* Says where it listens, since the port may be the kernel's choice. */
static int listen_on(const char *address, int flags) {
    struct sockaddr_in in = parse(address);
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), on = 1;
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* What is accepted inherits it. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&in, len) < 0) die(address);
    if (listen(fd, BACKLOG) < 0) die("listen");
    if (getsockname(fd, (struct sockaddr *)&in, &len) < 0) die("getsockname");
    char host[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
    printf("listening on %s:%d\n", host, ntohs(in.sin_port));
    fflush(stdout);
    return fd;
}
