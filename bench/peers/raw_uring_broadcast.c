/* The limit of the broadcast: what comes from any connection goes to all, on
 * io_uring and nothing else.
 *
 * As raw_uring.c: one ring, one thread, multishot accepts and receives, all
 * sends of a turn in the system call that also waits. What came in a turn goes
 * out as one block, with one send for each receiver, which the kernel carries
 * out within that call and reports only if it could not do all of it: then the
 * rest is kept for that receiver. One that is behind by more than KEPT_LIMIT
 * is dropped.
 *
 * It must stay the least that a correct server can do, so it must never grow
 * a feature. usage: raw_uring_broadcast 127.0.0.1:PORT (0 for any port) */
#define _GNU_SOURCE
#include <liburing.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "listen.h"

enum { SUBMISSIONS = 4096, BUFFERS = 256, BUFFER_BYTES = 4096, KEPT_LIMIT = 4 * 1024 * 1024 };
/* COMPLETIONS is room for one of a send and one of a receive for each connection in a turn: no
 * report of a send can come later than in the turn after it. */
enum { CONNECTIONS = 12 * 1024, COMPLETIONS = 32 * 1024 };

/* What a completion is of: the low bits of its user data, above them the connection. */
enum { ACCEPTED, RECEIVED, FELL_SHORT, KEPT_SENT, ENDED };

struct connection {
    struct connection *next_touched;
    size_t place; /* in `all` */
    int file;     /* in the ring's own table */
    bool receiving, finished, touched;
    char *kept; /* what the kernel has not taken: kept_sending bytes are submitted, more wait */
    size_t kept_len, kept_sending;
};

/* What all are sent in a turn. It is left alone until the turn after it is over. */
struct block {
    size_t len;
    char bytes[BUFFERS * BUFFER_BYTES];
};

static struct io_uring ring;
static struct io_uring_buf_ring *provided;
static char memory[BUFFERS][BUFFER_BYTES];
static struct block blocks[2], *filling = &blocks[0], *sending = &blocks[1];
static int given_back; /* not seen by the kernel before the next turn: a block holds one turn's */
static struct connection *all[CONNECTIONS], *touched;
static size_t count;

static int must(int res, const char *what) {
    errno = -res;
    if (res < 0) die(what);
    return res;
}

static struct io_uring_sqe *submission(void) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    if (sqe != NULL) return sqe;
    must(io_uring_submit(&ring), "io_uring_enter");
    return io_uring_get_sqe(&ring);
}

static void tag(struct io_uring_sqe *sqe, struct connection *c, unsigned kind, unsigned flags) {
    io_uring_sqe_set_data64(sqe, (uintptr_t)c | kind);
    io_uring_sqe_set_flags(sqe, flags);
}

static void give_back(unsigned short number) {
    io_uring_buf_ring_add(provided, memory[number], BUFFER_BYTES, number,
                          io_uring_buf_ring_mask(BUFFERS), given_back++);
}

static void touch(struct connection *c) {
    if (c->touched) return;
    c->touched = true;
    c->next_touched = touched;
    touched = c;
}

static void accept_all(int listener) {
    struct io_uring_sqe *sqe = submission();
    io_uring_prep_multishot_accept_direct(sqe, listener, NULL, NULL, 0);
    tag(sqe, NULL, ACCEPTED, 0);
}

static void receive(struct connection *c) {
    struct io_uring_sqe *sqe = submission();
    io_uring_prep_recv_multishot(sqe, c->file, NULL, 0, 0);
    tag(sqe, c, RECEIVED, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
    c->receiving = true;
}

/* No more messages for it, and an end to what the kernel still waits for. */
static void finish(struct connection *c) {
    if (c->finished) return;
    c->finished = true;
    all[c->place] = all[--count];
    all[c->place]->place = c->place;
    struct io_uring_sqe *sqe = submission();
    io_uring_prep_shutdown(sqe, c->file, SHUT_RDWR);
    tag(sqe, NULL, ENDED, IOSQE_FIXED_FILE);
    touch(c);
}

static void send_kept(struct connection *c) {
    struct io_uring_sqe *sqe = submission();
    c->kept_sending = c->kept_len;
    io_uring_prep_send(sqe, c->file, c->kept, c->kept_len, MSG_WAITALL | MSG_NOSIGNAL);
    tag(sqe, c, KEPT_SENT, IOSQE_FIXED_FILE);
}

/* The kernel may be reading what is kept already, so that must not move. */
static void keep(struct connection *c, const char *bytes, size_t len) {
    if (c->kept == NULL) c->kept = malloc(KEPT_LIMIT);
    if (c->kept == NULL) die("malloc");
    if (c->kept_len + len > KEPT_LIMIT) {
        finish(c);
        return;
    }
    memcpy(c->kept + c->kept_len, bytes, len);
    c->kept_len += len;
    if (c->kept_sending == 0) send_kept(c);
}

static void send_block(struct connection *c) {
    if (c->kept != NULL) {
        keep(c, sending->bytes, sending->len);
        return;
    }
    struct io_uring_sqe *sqe = submission();
    /* WAITALL, so that less than all counts as a failure, which is reported. */
    io_uring_prep_send(sqe, c->file, sending->bytes, sending->len,
                       MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL);
    tag(sqe, c, FELL_SHORT, IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS);
}

static void on_accepted(int listener, const struct io_uring_cqe *cqe) {
    if (!(cqe->flags & IORING_CQE_F_MORE)) accept_all(listener);
    if (cqe->res == -ECONNABORTED || cqe->res == -EINTR) return;
    must(cqe->res, "accept");
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL || count == CONNECTIONS) die("too many connections");
    *c = (struct connection){.file = cqe->res, .place = count};
    all[count++] = c;
    receive(c);
}

static void on_received(struct connection *c, const struct io_uring_cqe *cqe) {
    if (!(cqe->flags & IORING_CQE_F_MORE)) c->receiving = false;
    if (cqe->res > 0) {
        unsigned short number = (unsigned short)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        memcpy(filling->bytes + filling->len, memory[number], (size_t)cqe->res);
        filling->len += (size_t)cqe->res;
        give_back(number);
    } else if (cqe->res != -ENOBUFS && cqe->res != -EINTR) {
        finish(c);
    }
    if (!c->receiving) touch(c);
}

static void on_short(struct connection *c, int res) {
    if (res == -EAGAIN || res == -EINTR) res = 0;
    if (res < 0)
        finish(c);
    else if (!c->finished)
        keep(c, sending->bytes + res, sending->len - (size_t)res);
}

static void on_kept_sent(struct connection *c, int res) {
    size_t sent = res > 0 ? (size_t)res : 0;
    c->kept_sending = 0;
    c->kept_len -= sent;
    if (res < 0 && res != -EINTR) finish(c);
    if (c->kept_len > 0 && !c->finished) {
        memmove(c->kept, c->kept + sent, c->kept_len);
        send_kept(c);
        return;
    }
    free(c->kept);
    c->kept = NULL;
    c->kept_len = 0;
    touch(c);
}

static void on_completion(int listener, const struct io_uring_cqe *cqe) {
    struct connection *c = (struct connection *)(uintptr_t)(cqe->user_data & ~7ULL);
    switch (cqe->user_data & 7) {
    case ACCEPTED: on_accepted(listener, cqe); break;
    case RECEIVED: on_received(c, cqe); break;
    case FELL_SHORT: on_short(c, cqe->res); break;
    case KEPT_SENT: on_kept_sent(c, cqe->res); break;
    }
}

/* After all completions of a turn, none of which can name it any more. */
static void go_on(struct connection *c) {
    c->touched = false;
    if (c->receiving || (c->finished && c->kept_sending > 0)) return;
    if (!c->finished) {
        receive(c);
        return;
    }
    struct io_uring_sqe *sqe = submission();
    io_uring_prep_close_direct(sqe, (unsigned)c->file);
    tag(sqe, NULL, ENDED, 0);
    free(c->kept);
    free(c);
}

static void set_up(void) {
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
        .cq_entries = COMPLETIONS,
    };
    must(io_uring_queue_init_params(SUBMISSIONS, &ring, &params), "io_uring_setup");
    must(io_uring_register_ring_fd(&ring), "registering the ring's descriptor");
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    unsigned files = limit.rlim_cur < CONNECTIONS ? (unsigned)limit.rlim_cur : CONNECTIONS;
    must(io_uring_register_files_sparse(&ring, files), "registering a table of files");

    static _Alignas(4096) char entries[BUFFERS * sizeof(struct io_uring_buf)];
    provided = (struct io_uring_buf_ring *)entries;
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)entries, .ring_entries = BUFFERS};
    must(io_uring_register_buf_ring(&ring, &registration, 0), "registering a ring of buffers");
    io_uring_buf_ring_init(provided);
    for (unsigned short i = 0; i < BUFFERS; i++) give_back(i);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: raw_uring_broadcast ADDR\n");
        return 2;
    }
    set_up();
    int listener = listen_on(argv[1], 0);
    accept_all(listener);
    for (;;) {
        io_uring_buf_ring_advance(provided, given_back);
        given_back = 0;
        int res = io_uring_submit_and_wait(&ring, 1);
        if (res != -EINTR && res != -EBUSY) must(res, "io_uring_enter");

        unsigned head, seen = 0;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(&ring, head, cqe) {
            on_completion(listener, cqe);
            seen++;
        }
        io_uring_cq_advance(&ring, seen);
        for (struct connection *c = touched, *next; c != NULL; c = next) {
            next = c->next_touched;
            go_on(c);
        }
        touched = NULL;
        struct block *full = filling;
        filling = sending;
        filling->len = 0;
        sending = full;
        for (size_t i = count; sending->len > 0 && i-- > 0;) send_block(all[i]);
    }
}
