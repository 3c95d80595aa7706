/* A Modbus TCP server that is never the bottleneck: one thread, epoll, one port per device, any unit.
 *
 * usage: simulator PORTS SECONDS LOG
 *
 * Listens on PORTS ports of 127.0.0.1 that the kernel chooses and prints them on one line. Registers 2p and 2p + 1
 * of any unit are a float32, high word first, that changes every 100 ms in all its low bits. LOG gets one record
 * of 16 bytes per request, in this machine's byte order: u64 CLOCK_MONOTONIC in ns, u16 index of the port, u8 unit,
 * u8 function, u16 address, u16 count. Ends after SECONDS, at SIGTERM, or when its standard input closes.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DESCRIPTORS = 8192, HEADER = 8, REQUEST = 12, LONGEST = 125, TICK_NS = 100000000 };

struct peer {
    int listens; /* accepts connections */
    uint16_t port;
    size_t held; /* bytes of an unfinished request */
    uint8_t in[1024];
};

#pragma pack(push, 1)
struct record {
    uint64_t time_ns;
    uint16_t port;
    uint8_t unit, function;
    uint16_t address, count;
};
#pragma pack(pop)

static struct peer *peers[DESCRIPTORS];
static volatile sig_atomic_t stop;

static void on_term(int number)
{
    (void)number;
    stop = 1;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint16_t word(unsigned address, uint64_t time_ns)
{
    if (address % 2 == 0)
        return (uint16_t)(0x4100 + address % 0x180); /* 8.0 to 64.0 */
    /* The multiplier is odd, so that every step changes the word. */
    return (uint16_t)((time_ns / TICK_NS + address) * 40503u);
}

static void watch(int epoll, int fd, int listens, uint16_t port)
{
    if (fd >= DESCRIPTORS)
        exit(3);
    peers[fd] = calloc(1, sizeof **peers);
    peers[fd]->listens = listens;
    peers[fd]->port = port;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        exit(3);
}

static void forget(int fd)
{
    close(fd);
    free(peers[fd]);
    peers[fd] = NULL;
}

static void open_ports(int epoll, int ports)
{
    for (int i = 0; i < ports; i++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof at;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (void *)&at, size) || listen(fd, 64) || getsockname(fd, (void *)&at, &size)) {
            perror("simulator");
            exit(3);
        }
        watch(epoll, fd, 1, (uint16_t)i);
        printf("%d ", ntohs(at.sin_port));
    }
    printf("\n");
    fflush(stdout);
}

/* Write the answer to one request; gives its length. */
static size_t answer(const uint8_t *request, uint8_t *out, uint64_t time_ns)
{
    unsigned address = (unsigned)(request[8] << 8 | request[9]), count = (unsigned)(request[10] << 8 | request[11]);
    memcpy(out, request, HEADER);
    out[4] = 0;
    if ((request[7] != 3 && request[7] != 4) || count < 1 || count > LONGEST || address + count > 65536) {
        out[5] = 3;
        out[7] |= 0x80;
        out[8] = request[7] == 3 || request[7] == 4 ? 2 : 1;
        return 9;
    }
    out[4] = (uint8_t)((3 + 2 * count) >> 8);
    out[5] = (uint8_t)(3 + 2 * count);
    out[8] = (uint8_t)(2 * count);
    for (unsigned i = 0; i < count; i++) {
        uint16_t value = word(address + i, time_ns);
        out[9 + 2 * i] = (uint8_t)(value >> 8);
        out[10 + 2 * i] = (uint8_t)value;
    }
    return 9 + 2 * count;
}

static void serve(int fd, FILE *log)
{
    struct peer *peer = peers[fd];
    ssize_t got = read(fd, peer->in + peer->held, sizeof peer->in - peer->held);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            forget(fd);
        return;
    }
    peer->held += (size_t)got;
    uint64_t time_ns = now_ns();
    uint8_t out[sizeof peer->in / REQUEST * (9 + 2 * LONGEST)];
    size_t at = 0, size = 0;
    while (peer->held - at >= REQUEST) {
        const uint8_t *request = peer->in + at;
        if ((request[4] << 8 | request[5]) != REQUEST - 6) { /* only reads are spoken here */
            forget(fd);
            return;
        }
        struct record record = {time_ns, peer->port, request[6], request[7],
                                (uint16_t)(request[8] << 8 | request[9]), (uint16_t)(request[10] << 8 | request[11])};
        fwrite(&record, sizeof record, 1, log);
        size += answer(request, out + size, time_ns);
        at += REQUEST;
    }
    memmove(peer->in, peer->in + at, peer->held - at);
    peer->held -= at;
    if (size && write(fd, out, size) != (ssize_t)size)
        forget(fd);
}

int main(int count, char **arguments)
{
    if (count != 4)
        return 2;
    uint64_t end_ns = now_ns() + strtoull(arguments[2], NULL, 10) * 1000000000u;
    FILE *log = fopen(arguments[3], "wb");
    struct rlimit limit;
    if (!log || getrlimit(RLIMIT_NOFILE, &limit))
        return 3;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    setrlimit(RLIMIT_NOFILE, &limit);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_term);
    int epoll = epoll_create1(0);
    watch(epoll, STDIN_FILENO, 0, 0);
    open_ports(epoll, atoi(arguments[1]));
    while (!stop && now_ns() < end_ns) {
        struct epoll_event events[128];
        int ready = epoll_wait(epoll, events, 128, 100);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd, new, one = 1;
            if (fd == STDIN_FILENO) {
                stop = 1;
            } else if (peers[fd] && peers[fd]->listens) {
                while ((new = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    setsockopt(new, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    watch(epoll, new, 0, peers[fd]->port);
                }
            } else if (peers[fd]) {
                serve(fd, log);
            }
        }
    }
    return fclose(log) ? 3 : 0;
}
