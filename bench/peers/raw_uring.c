/* The limit: an echo server on io_uring and nothing else.
 *
 * One ring, one thread, one system call for each turn: it submits all sends of
 * the turn and waits for what comes next. A multishot accept, and for each
 * connection a multishot receive, which takes its room from buffers that all
 * connections share, one message behind the other. What came is sent from where
 * it lies; the completion of that send, which the kernel carries out within the
 * system call or not at all, gives the room back. What it did not take is copied and kept
 * for that connection alone, and nothing is received for it until that is
 * gone: otherwise some connections that never read would hold all buffers.
 *
 * It must stay the least that a correct server can do, so it must never grow
 * a feature. bench/README.md says what else was tried and measured.
 * usage: raw_uring 127.0.0.1:PORT (0 for any port), or raw_uring --check, which
 * says whether the kernel lets it (it takes Linux 6.12). */
#define _GNU_SOURCE
#include <liburing.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "listen.h"

enum { SUBMISSIONS = 4096, COMPLETIONS = 16384, BUFFERS = 32, BUFFER_BYTES = 256 * 1024 };
enum { FILES = 32768 };
/* Of the kernel's interface, where liburing's headers are older than Linux 6.12: a buffer is used
 * bit by bit, and a completion says whether there is more of it. */
enum { PBUF_RING_INC = 2, F_BUF_MORE = 1 << 4 };

/* What a completion is of: the low bits of its user data, above them the connection. */
enum { ACCEPTED, RECEIVED, SENT, KEPT_SENT, ENDED };

/* Its place in `buffers` is its number. It is given back when it is full and has no piece. */
struct buffer {
    size_t used;
    unsigned pieces;
    bool full;
};

/* Received bytes of one connection, in a row. */
struct piece {
    struct piece *next;
    struct buffer *buffer;
    char *bytes;
    size_t len;
};

/* Bytes that the kernel has not taken. */
struct kept {
    struct kept *next;
    size_t len, sent;
    char bytes[];
};

struct connection {
    struct connection *next_touched;
    struct piece *received, *last_received; /* not submitted yet */
    struct piece *sending;                  /* submitted, until its completion */
    struct kept *kept, **kept_end;          /* its first one is submitted */
    int file; /* in the ring's own table, which saves a look-up for each send */
    bool receiving, finished, broken, touched;
};

static struct io_uring ring;
static struct io_uring_buf_ring *provided;
static unsigned given_back;
static _Alignas(4096) char memory[BUFFERS][BUFFER_BYTES]; /* a small message in one cache line */
static struct buffer buffers[BUFFERS];
static struct piece *unused; /* pieces */
static struct connection *touched, **touched_end = &touched; /* with a completion in this turn */

/* liburing returns errors as negative numbers. */
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

/* Preparing one sets the flags and perhaps the user data, so these come after it. */
static void tag(struct io_uring_sqe *sqe, struct connection *c, unsigned kind, unsigned flags) {
    io_uring_sqe_set_data64(sqe, (uintptr_t)c | kind);
    io_uring_sqe_set_flags(sqe, flags);
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

static void receive_no_more(struct connection *c) {
    struct io_uring_sqe *sqe = submission();
    io_uring_prep_cancel64(sqe, (uintptr_t)c | RECEIVED, 0);
    tag(sqe, NULL, ENDED, 0);
}

/* Without waiting, so that it is complete when the system call is, in part or in whole. Further
 * pieces, which are rare, wait until it is. */
static void send_received(struct connection *c) {
    struct io_uring_sqe *sqe = submission();
    struct piece *first = c->received;
    io_uring_prep_send(sqe, c->file, first->bytes, first->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    tag(sqe, c, SENT, IOSQE_FIXED_FILE);
    c->sending = first;
    c->received = first->next;
}

/* The kernel waits for room as often as it takes. */
static void send_kept(struct connection *c) {
    struct kept *k = c->kept;
    struct io_uring_sqe *sqe = submission();
    io_uring_prep_send(sqe, c->file, k->bytes + k->sent, k->len - k->sent, MSG_WAITALL | MSG_NOSIGNAL);
    tag(sqe, c, KEPT_SENT, IOSQE_FIXED_FILE);
}

static void give_back(struct buffer *b) {
    unsigned short number = (unsigned short)(b - buffers);
    *b = (struct buffer){0};
    io_uring_buf_ring_add(provided, memory[number], BUFFER_BYTES, number,
                          io_uring_buf_ring_mask(BUFFERS), (int)given_back++);
}

static struct piece *new_piece(void) {
    struct piece *p = unused;
    if (p == NULL) p = malloc(sizeof *p);
    else unused = p->next;
    if (p == NULL) die("malloc");
    return p;
}

/* Keeps what is beyond the first `taken` bytes. */
static void let_go(struct connection *c, struct piece *p, size_t taken) {
    if (taken < p->len && !c->broken) {
        struct kept *k = malloc(sizeof *k + p->len - taken);
        if (k == NULL) die("malloc");
        *k = (struct kept){.len = p->len - taken};
        memcpy(k->bytes, p->bytes + taken, k->len);
        *c->kept_end = k;
        c->kept_end = &k->next;
    }
    struct buffer *b = p->buffer;
    if (--b->pieces == 0 && b->full) give_back(b);
    p->next = unused;
    unused = p;
}

static void forget_kept(struct connection *c) {
    struct kept *k = c->kept;
    c->kept = k->next;
    if (c->kept == NULL) c->kept_end = &c->kept;
    free(k);
}

static void on_accepted(int listener, const struct io_uring_cqe *cqe) {
    if (!(cqe->flags & IORING_CQE_F_MORE)) accept_all(listener);
    if (cqe->res == -ECONNABORTED || cqe->res == -EINTR) return;
    errno = -cqe->res;
    if (cqe->res < 0) die("accept");
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL) die("calloc");
    c->file = cqe->res;
    c->kept_end = &c->kept;
    receive(c);
}

static void on_received(struct connection *c, const struct io_uring_cqe *cqe) {
    if (!(cqe->flags & IORING_CQE_F_MORE)) c->receiving = false;
    if (cqe->res > 0) {
        unsigned number = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        struct buffer *b = &buffers[number];
        char *bytes = memory[number] + b->used;
        b->used += (size_t)cqe->res;
        b->full = !(cqe->flags & F_BUF_MORE);
        struct piece *last = c->last_received;
        if (c->received != NULL && last->buffer == b && last->bytes + last->len == bytes) {
            last->len += (size_t)cqe->res;
            return;
        }
        struct piece *p = new_piece();
        *p = (struct piece){.buffer = b, .bytes = bytes, .len = (size_t)cqe->res};
        b->pieces++;
        *(c->received == NULL ? &c->received : &last->next) = p;
        c->last_received = p;
    } else if (cqe->res != -ENOBUFS && cqe->res != -ECANCELED && cqe->res != -EINTR) {
        c->finished = true; /* by the peer, or by an error */
    }
}

static void on_sent(struct connection *c, int res) {
    c->broken |= res < 0 && res != -EAGAIN && res != -EINTR;
    let_go(c, c->sending, res > 0 ? (size_t)res : 0);
    c->sending = NULL;
    if (c->kept != NULL) send_kept(c);
    if ((c->kept != NULL || c->broken) && c->receiving) receive_no_more(c);
}

static void on_kept_sent(struct connection *c, int res) {
    c->broken |= res < 0 && res != -EINTR;
    c->kept->sent += res > 0 ? (size_t)res : 0;
    if (c->kept->sent == c->kept->len) forget_kept(c);
    while (c->broken && c->kept != NULL) forget_kept(c);
    if (c->kept != NULL) send_kept(c);
}

/* After all completions of a turn: what this connection does next. */
static void go_on(struct connection *c) {
    c->touched = false;
    while (c->received != NULL && (c->kept != NULL || c->broken)) {
        struct piece *p = c->received;
        c->received = p->next;
        let_go(c, p, 0);
    }
    if (c->received != NULL && c->sending == NULL) send_received(c);
    if (c->receiving || c->sending != NULL || c->received != NULL || c->kept != NULL) return;
    if (c->finished || c->broken) {
        struct io_uring_sqe *sqe = submission();
        io_uring_prep_close_direct(sqe, (unsigned)c->file);
        tag(sqe, NULL, ENDED, 0);
        free(c);
    } else {
        receive(c);
    }
}

static void on_completion(int listener, const struct io_uring_cqe *cqe) {
    struct connection *c = (struct connection *)(uintptr_t)(cqe->user_data & ~7ULL);
    switch (cqe->user_data & 7) {
    case ACCEPTED: on_accepted(listener, cqe); return;
    case ENDED: return;
    case RECEIVED: on_received(c, cqe); break;
    case SENT: on_sent(c, cqe->res); break;
    case KEPT_SENT: on_kept_sent(c, cqe->res); break;
    }
    if (c->touched) return;
    c->touched = true;
    c->next_touched = NULL;
    *touched_end = c;
    touched_end = &c->next_touched;
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
    unsigned files = limit.rlim_cur < FILES ? (unsigned)limit.rlim_cur : FILES;
    must(io_uring_register_files_sparse(&ring, files), "registering a table of files");

    static _Alignas(4096) char entries[BUFFERS * sizeof(struct io_uring_buf)];
    provided = (struct io_uring_buf_ring *)entries;
    struct io_uring_buf_reg registration = {(uintptr_t)entries, BUFFERS, 0, PBUF_RING_INC, {0}};
    must(io_uring_register_buf_ring(&ring, &registration, 0),
         "registering buffers that are used bit by bit (Linux 6.12)");
    io_uring_buf_ring_init(provided);
    for (unsigned i = 0; i < BUFFERS; i++) give_back(&buffers[i]);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: raw_uring ADDR | raw_uring --check\n");
        return 2;
    }
    set_up();
    if (strcmp(argv[1], "--check") == 0) return 0;
    int listener = listen_on(argv[1], 0);
    accept_all(listener);
    for (;;) {
        io_uring_buf_ring_advance(provided, (int)given_back);
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
        touched_end = &touched;
    }
}
