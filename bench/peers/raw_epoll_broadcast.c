/* The yardstick of the broadcast: what comes from any connection goes to all,
 * on epoll and nothing else.
 *
 * As raw_epoll.c: level-triggered, one thread, one read for each event, one
 * send for each receiver straight from the read buffer. What the kernel does
 * not take is kept for that receiver; one that is behind by more than
 * REST_LIMIT is dropped.
 *
 * It must stay the least that a correct server can do, so it must never grow
 * a feature. usage: raw_epoll_broadcast 127.0.0.1:PORT (0 for any port) */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "listen.h"

enum { READ_BYTES = 256 * 1024, REST_LIMIT = 4 * 1024 * 1024, EVENTS = 1024 };

struct connection {
    int fd;
    bool broken;
    size_t place; /* in `all` */
    char *rest;   /* what the kernel has not taken; NULL when there is none */
    size_t rest_len;
};

static char buffer[READ_BYTES];
static struct connection **all;
static size_t count, room;

static void watch(int epoll, int op, struct connection *c, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll, op, c->fd, &event) < 0) die("epoll_ctl");
}

static void accept_all(int epoll, int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN) return;
            if (errno == EINTR || errno == ECONNABORTED) continue;
            die("accept4");
        }
        if (count == room) {
            room = room == 0 ? 1024 : 2 * room;
            all = realloc(all, room * sizeof *all);
        }
        struct connection *c = calloc(1, sizeof *c);
        if (c == NULL || all == NULL) die("out of memory");
        *c = (struct connection){.fd = fd, .place = count};
        all[count++] = c;
        watch(epoll, EPOLL_CTL_ADD, c, EPOLLIN);
    }
}

/* Not while `all` or the events are gone through: each connection at its own event.
 * A broken one gets that event, since its socket is shut down. */
static void drop(struct connection *c) {
    all[c->place] = all[--count];
    all[c->place]->place = c->place;
    close(c->fd); /* which also takes it out of the epoll set */
    free(c->rest);
    free(c);
}

static void give_up(struct connection *c) {
    c->broken = true;
    shutdown(c->fd, SHUT_RDWR);
}

/* Returns what the kernel took, 0 if it is full or the connection is broken. */
static size_t write_some(struct connection *c, const char *bytes, size_t len) {
    ssize_t n;
    do n = send(c->fd, bytes, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) give_up(c);
    return n > 0 ? (size_t)n : 0;
}

static void deliver(int epoll, struct connection *c, const char *bytes, size_t len) {
    if (c->broken) return;
    size_t sent = c->rest == NULL ? write_some(c, bytes, len) : 0;
    if (sent == len || c->broken) return;
    if (c->rest_len + len > REST_LIMIT) {
        give_up(c);
        return;
    }
    if (c->rest == NULL) watch(epoll, EPOLL_CTL_MOD, c, EPOLLIN | EPOLLOUT);
    c->rest = realloc(c->rest, c->rest_len + len - sent);
    if (c->rest == NULL) die("realloc");
    memcpy(c->rest + c->rest_len, bytes + sent, len - sent);
    c->rest_len += len - sent;
}

static void on_writable(int epoll, struct connection *c) {
    size_t sent = write_some(c, c->rest, c->rest_len);
    c->rest_len -= sent;
    memmove(c->rest, c->rest + sent, c->rest_len);
    if (c->rest_len > 0) return;
    free(c->rest);
    c->rest = NULL;
    watch(epoll, EPOLL_CTL_MOD, c, EPOLLIN);
}

static void on_readable(int epoll, struct connection *c) {
    ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        drop(c);
        return;
    }
    for (size_t i = 0; i < count; i++) deliver(epoll, all[i], buffer, (size_t)n);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: raw_epoll_broadcast ADDR\n");
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
            if (c == &listener) {
                accept_all(epoll, listener.fd);
                continue;
            }
            if (c->rest != NULL && (events[i].events & EPOLLOUT)) on_writable(epoll, c);
            if (events[i].events & ~(uint32_t)EPOLLOUT) on_readable(epoll, c);
        }
    }
}
