/* The yardstick: an echo server on epoll and nothing else.
 *
 * Level-triggered, one thread, one read buffer for all connections, one read
 * for each event, the answer written straight from that buffer. What the
 * kernel does not take is kept for that connection alone, with an offset (it
 * is never moved), and the connection is not read again until it is gone.
 *
 * It must stay the least that a correct server can do, so it must never grow
 * a feature. usage: raw_epoll 127.0.0.1:PORT (0 for any port) */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "listen.h"

enum { READ_BYTES = 256 * 1024, EVENTS = 1024 };

struct connection {
    int fd;
    char *rest; /* what the kernel has not taken; NULL when there is none */
    size_t rest_len, rest_sent;
};

static char buffer[READ_BYTES];

static void watch(int epoll, int op, struct connection *c, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll, op, c->fd, &event) < 0) die("epoll_ctl");
}

static void drop(struct connection *c) {
    close(c->fd); /* which also takes it out of the epoll set */
    free(c->rest);
    free(c);
}

static void accept_all(int epoll, int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN) return;
            if (errno == EINTR || errno == ECONNABORTED) continue;
            die("accept4");
        }
        struct connection *c = calloc(1, sizeof *c);
        if (c == NULL) die("calloc");
        c->fd = fd;
        watch(epoll, EPOLL_CTL_ADD, c, EPOLLIN);
    }
}

/* Returns what the kernel took, 0 if it is full, -1 if the connection is gone. */
static ssize_t write_some(int fd, const char *bytes, size_t len) {
    ssize_t n;
    do n = send(fd, bytes, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : errno == EAGAIN ? 0 : -1;
}

static void keep_rest(int epoll, struct connection *c, const char *bytes, size_t len) {
    c->rest = malloc(len);
    if (c->rest == NULL) die("malloc");
    memcpy(c->rest, bytes, len);
    c->rest_len = len;
    c->rest_sent = 0;
    watch(epoll, EPOLL_CTL_MOD, c, EPOLLOUT);
}

static void on_readable(int epoll, struct connection *c) {
    ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        drop(c);
        return;
    }
    ssize_t sent = write_some(c->fd, buffer, (size_t)n);
    if (sent < 0)
        drop(c);
    else if (sent < n)
        keep_rest(epoll, c, buffer + sent, (size_t)(n - sent));
}

static void on_writable(int epoll, struct connection *c) {
    ssize_t n = write_some(c->fd, c->rest + c->rest_sent, c->rest_len - c->rest_sent);
    if (n < 0) {
        drop(c);
        return;
    }
    c->rest_sent += (size_t)n;
    if (c->rest_sent < c->rest_len) return;
    free(c->rest);
    c->rest = NULL;
    watch(epoll, EPOLL_CTL_MOD, c, EPOLLIN);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: raw_epoll ADDR\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) die("epoll_create1");
    struct connection listener = {.fd = listen_on(argv[1], SOCK_NONBLOCK)};
    watch(epoll, EPOLL_CTL_ADD, &listener, EPOLLIN);

    static struct epoll_event events[EVENTS];
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        if (ready < 0) {
            if (errno == EINTR) continue;
            die("epoll_wait");
        }
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (c == &listener)
                accept_all(epoll, listener.fd);
            else if (c->rest != NULL)
                on_writable(epoll, c);
            else
                on_readable(epoll, c);
        }
    }
}
