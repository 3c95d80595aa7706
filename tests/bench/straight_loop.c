/* What the work costs without an agent: a straight loop in C, to hold the agent's figures against.
 *
 * libmodbus -> float32 -> JSON in the agent's payload form -> SQLite outbox -> libmosquitto QoS 1.
 *
 * usage: straight_loop BROKER_PORT INTERVAL_MS TAGS SECONDS OUTBOX DEVICE_PORT...
 *
 * One device per port, polls spread evenly over the interval, one message per poll. Messages are published after
 * the commit that holds them (every COMMIT_NS) and deleted, in the next commit, after their PUBACK. WAL with
 * synchronous=NORMAL: cheaper than the agent's promise, which survives a power cut. No reconnects, no quality,
 * no gaps: any error ends the program with 1. Ends after SECONDS or at SIGTERM.
 */
#define _GNU_SOURCE
#include <modbus.h>
#include <mosquitto.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST = 124, MIDS = 65536, PENDING = 4096, COMMIT_NS = 100000000 };

struct device {
    modbus_t *modbus;
    char topic[64];
    long long number; /* of its scans */
    long long acknowledged;
};

struct message {
    struct device *device;
    long long row, number;
    char *body;
    int size;
};

static struct mosquitto *broker;
static sqlite3 *outbox;
static sqlite3_stmt *insert, *delete;
static struct message pending[PENDING]; /* stored in the open transaction, not yet published */
static int pending_count;
static struct message in_flight[MIDS]; /* by message id */
static long long acknowledged[MIDS];   /* rows to delete */
static int acknowledged_count, connected;
static volatile sig_atomic_t stop;

static void on_term(int number)
{
    (void)number;
    stop = 1;
}

static void fail(const char *what)
{
    fprintf(stderr, "straight_loop: %s failed\n", what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void on_connect(struct mosquitto *m, void *context, int code)
{
    (void)m, (void)context;
    if (code)
        fail("the broker's CONNACK");
    connected = 1;
}

static void on_publish(struct mosquitto *m, void *context, int mid)
{
    (void)m, (void)context;
    struct message *sent = &in_flight[mid & (MIDS - 1)];
    if (acknowledged_count == MIDS)
        fail("keeping up with acknowledgements");
    acknowledged[acknowledged_count++] = sent->row;
    sent->device->acknowledged = sent->number;
}

static void sql(const char *text)
{
    if (sqlite3_exec(outbox, text, NULL, NULL, NULL) != SQLITE_OK)
        fail(text);
}

static void open_outbox(const char *path)
{
    if (sqlite3_open(path, &outbox) != SQLITE_OK)
        fail("opening the outbox");
    sql("pragma journal_mode=wal");
    sql("pragma synchronous=normal");
    sql("create table outbox(id integer primary key, topic text, body blob)");
    sqlite3_prepare_v2(outbox, "insert into outbox(topic, body) values(?, ?)", -1, &insert, NULL);
    sqlite3_prepare_v2(outbox, "delete from outbox where id = ?", -1, &delete, NULL);
    sql("begin");
}

/* Close the transaction, publish what it holds, and begin the next with the deletions that are due. */
static void commit(void)
{
    sql("commit");
    for (int i = 0; i < pending_count; i++) {
        struct message *next = &pending[i];
        int mid;
        if (mosquitto_publish(broker, &mid, next->device->topic, next->size, next->body, 1, false))
            fail("publishing");
        in_flight[mid & (MIDS - 1)] = *next;
        free(next->body);
    }
    pending_count = 0;
    sql("begin");
    for (int i = 0; i < acknowledged_count; i++) {
        sqlite3_bind_int64(delete, 1, acknowledged[i]);
        if (sqlite3_step(delete) != SQLITE_DONE)
            fail("deleting");
        sqlite3_reset(delete);
    }
    acknowledged_count = 0;
}

static void poll(struct device *device, int index, int tags)
{
    uint16_t words[2 * 2048];
    for (int at = 0; at < 2 * tags; at += LONGEST) {
        int count = 2 * tags - at < LONGEST ? 2 * tags - at : LONGEST;
        if (modbus_read_registers(device->modbus, at, count, words + at) != count)
            fail("reading a device");
    }
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    char *body = malloc((size_t)tags * 32 + 256);
    long long number = ++device->number;
    int size = sprintf(body,
                       "{\"v\":1,\"gw\":\"bench\",\"b\":\"loop\",\"d\":\"plc%04d\",\"g\":\"fast\",\"m\":\"00000000\","
                       "\"n\":[%lld,%lld],\"c\":%lld,\"s\":[{\"ts\":%lld,\"v\":{",
                       index, number, number, device->acknowledged, t.tv_sec * 1000ll + t.tv_nsec / 1000000);
    for (int tag = 0; tag < tags; tag++) {
        uint32_t bits = (uint32_t)words[2 * tag] << 16 | words[2 * tag + 1];
        float value;
        memcpy(&value, &bits, sizeof value);
        size += sprintf(body + size, "%s\"tag_%03d\":%.9g", tag ? "," : "", tag, (double)value);
    }
    size += sprintf(body + size, "}}]}");
    if (pending_count == PENDING)
        fail("keeping up");
    sqlite3_bind_text(insert, 1, device->topic, -1, SQLITE_STATIC);
    sqlite3_bind_blob(insert, 2, body, size, SQLITE_STATIC);
    if (sqlite3_step(insert) != SQLITE_DONE)
        fail("storing");
    sqlite3_reset(insert);
    pending[pending_count++] = (struct message){device, sqlite3_last_insert_rowid(outbox), number, body, size};
}

/* Serve the broker until the time has come; the last millisecond is slept, so that polls are punctual. */
static void wait_until(int64_t due_ns)
{
    int64_t left_ns;
    while (!stop && (left_ns = due_ns - now_ns()) > 0) {
        if (left_ns < 1000000) {
            struct timespec rest = {0, left_ns};
            nanosleep(&rest, NULL);
            break;
        }
        if (mosquitto_loop(broker, (int)(left_ns / 1000000), 1))
            fail("the broker's connection");
    }
    if (mosquitto_loop(broker, 0, 1))
        fail("the broker's connection");
}

int main(int count, char **arguments)
{
    if (count < 7)
        return 2;
    int broker_port = atoi(arguments[1]), tags = atoi(arguments[3]), devices = count - 6;
    int64_t interval_ns = atoi(arguments[2]) * 1000000ll;
    if (tags < 1 || tags > 2048)
        return 2;
    signal(SIGTERM, on_term);
    alarm((unsigned)atoi(arguments[4]) + 10); /* also when a call hangs */
    struct device *all = calloc((size_t)devices, sizeof *all);
    for (int i = 0; i < devices; i++) {
        all[i].modbus = modbus_new_tcp("127.0.0.1", atoi(arguments[6 + i]));
        modbus_set_slave(all[i].modbus, 1);
        snprintf(all[i].topic, sizeof all[i].topic, "edge/bench/plc%04d/fast", i);
        if (modbus_connect(all[i].modbus))
            fail("connecting to a device");
    }
    open_outbox(arguments[5]);
    mosquitto_lib_init();
    broker = mosquitto_new("straight-loop", true, NULL);
    mosquitto_connect_callback_set(broker, on_connect);
    mosquitto_publish_callback_set(broker, on_publish);
    mosquitto_max_inflight_messages_set(broker, 200);
    if (mosquitto_connect(broker, "127.0.0.1", broker_port, 60))
        fail("connecting to the broker");
    int64_t start_ns = now_ns(), end_ns = start_ns + atoi(arguments[4]) * 1000000000ll;
    while (!connected)
        if (mosquitto_loop(broker, 100, 1) || now_ns() > end_ns)
            fail("connecting to the broker");
    start_ns = now_ns();
    int64_t committed_ns = start_ns;
    for (int64_t round = 0; !stop && now_ns() < end_ns; round++)
        for (int i = 0; i < devices && !stop; i++) {
            wait_until(start_ns + round * interval_ns + interval_ns * i / devices);
            poll(&all[i], i, tags);
            if (now_ns() - committed_ns >= COMMIT_NS) {
                commit();
                committed_ns = now_ns();
            }
        }
    return 0;
}
