/* An echo server on libuv, written the way its guide does: one shared read
 * buffer handed out by the allocation callback, `uv_try_write` first, and a
 * queued `uv_write` for what the kernel did not take, during which the
 * connection is not read.
 *
 * It must do no more and no less than raw_epoll.c does.
 * usage: libuv 127.0.0.1:PORT (0 for any port), or libuv --version */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { READ_BYTES = 256 * 1024, BACKLOG = 4096 };

struct connection {
    uv_tcp_t tcp;
    uv_write_t write;
    char *rest; /* what the kernel did not take at once */
};

static char buffer[READ_BYTES];

static void check(int code, const char *what) {
    if (code >= 0) return;
    fprintf(stderr, "libuv: %s: %s\n", what, uv_strerror(code));
    exit(1);
}

static void on_closed(uv_handle_t *handle) {
    struct connection *c = handle->data;
    free(c->rest);
    free(c);
}

static void drop(struct connection *c) {
    if (!uv_is_closing((uv_handle_t *)&c->tcp)) uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    (void)handle;
    (void)suggested;
    *out = uv_buf_init(buffer, sizeof buffer);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *read);

static void on_written(uv_write_t *write, int status) {
    struct connection *c = write->data;
    free(c->rest);
    c->rest = NULL;
    if (status < 0)
        drop(c);
    else
        check(uv_read_start((uv_stream_t *)&c->tcp, on_allocate, on_read), "uv_read_start");
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *read) {
    struct connection *c = stream->data;
    if (n == 0) return;
    if (n < 0) {
        drop(c);
        return;
    }
    uv_buf_t out = uv_buf_init(read->base, (unsigned)n);
    int sent = uv_try_write(stream, &out, 1);
    if (sent == UV_EAGAIN) sent = 0;
    if (sent < 0) {
        drop(c);
        return;
    }
    if (sent == n) return;
    c->rest = malloc((size_t)(n - sent));
    if (c->rest == NULL) check(UV_ENOMEM, "malloc");
    memcpy(c->rest, read->base + sent, (size_t)(n - sent));
    out = uv_buf_init(c->rest, (unsigned)(n - sent));
    c->write.data = c;
    uv_read_stop(stream);
    check(uv_write(&c->write, stream, &out, 1, on_written), "uv_write");
}

static void on_connection(uv_stream_t *server, int status) {
    check(status, "connection");
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL) check(UV_ENOMEM, "calloc");
    check(uv_tcp_init(server->loop, &c->tcp), "uv_tcp_init");
    c->tcp.data = c;
    if (uv_accept(server, (uv_stream_t *)&c->tcp) < 0) {
        drop(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    check(uv_read_start((uv_stream_t *)&c->tcp, on_allocate, on_read), "uv_read_start");
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts(uv_version_string());
        return 0;
    }
    char host[64];
    const char *colon = argc == 2 ? strrchr(argv[1], ':') : NULL;
    if (colon == NULL || (size_t)(colon - argv[1]) >= sizeof host) {
        fprintf(stderr, "usage: libuv ADDR\n");
        return 2;
    }
    memcpy(host, argv[1], (size_t)(colon - argv[1]));
    host[colon - argv[1]] = '\0';
    signal(SIGPIPE, SIG_IGN);

    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t server;
    struct sockaddr_in in;
    int len = sizeof in;
    check(uv_ip4_addr(host, atoi(colon + 1), &in), "address");
    check(uv_tcp_init(loop, &server), "uv_tcp_init");
    check(uv_tcp_bind(&server, (struct sockaddr *)&in, 0), "uv_tcp_bind");
    check(uv_listen((uv_stream_t *)&server, BACKLOG, on_connection), "uv_listen");
    check(uv_tcp_getsockname(&server, (struct sockaddr *)&in, &len), "uv_tcp_getsockname");
    printf("listening on %s:%d\n", host, ntohs(in.sin_port));
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
