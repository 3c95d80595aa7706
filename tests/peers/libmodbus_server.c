/* A Modbus server that is neither ours nor pymodbus, for tests of the driver: the answers are libmodbus' own.
 *
 * usage: libmodbus_server tcp
 *        libmodbus_server rtu PATH [BAUDRATE [PARITY]]
 *
 * tcp listens on a port of 127.0.0.1 that the kernel chooses, prints it, and answers for every unit. rtu prints 0
 * and answers as unit 1 on a serial port, 9600 bit/s and parity N unless given. Each table has the addresses 0 to
 * 999: holding register a holds 0x1000 + a, input register a 0x2000 + a, coil a is on when 3 divides a, discrete
 * input a when a is odd. What is written stays. Ends when its standard input closes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

enum { ADDRESSES = 1000 };

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

static modbus_mapping_t *tables(void)
{
    modbus_mapping_t *map = modbus_mapping_new(ADDRESSES, ADDRESSES, ADDRESSES, ADDRESSES);
    if (map == NULL)
        fail("tables");
    for (int a = 0; a < ADDRESSES; a++) {
        map->tab_bits[a] = a % 3 == 0;
        map->tab_input_bits[a] = a % 2;
        map->tab_registers[a] = (uint16_t)(0x1000 + a);
        map->tab_input_registers[a] = (uint16_t)(0x2000 + a);
    }
    return map;
}

/* Answers one request of a connection; 0 when the connection has ended. */
static int answer(modbus_t *line, modbus_mapping_t *map)
{
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    int length = modbus_receive(line, request);
    if (length > 0)
        return modbus_reply(line, request, length, map) >= 0;
    /* 0 is a request to another unit of a serial line. */
    return length == 0;
}

static void serve_rtu(const char *path, int baudrate, char parity)
{
    modbus_mapping_t *map = tables();
    modbus_t *line = modbus_new_rtu(path, baudrate, parity, 8, 1);
    if (line == NULL || modbus_set_slave(line, 1) || modbus_connect(line))
        fail(path);
    puts("0");
    fflush(stdout);
    int tty = modbus_get_socket(line);
    for (;;) {
        fd_set ready;
        FD_ZERO(&ready);
        FD_SET(STDIN_FILENO, &ready);
        FD_SET(tty, &ready);
        if (select(tty + 1, &ready, NULL, NULL, NULL) < 0 || FD_ISSET(STDIN_FILENO, &ready))
            return;
        if (!answer(line, map))
            modbus_flush(line); /* it was damaged: nothing of it is answered */
    }
}

static void serve_tcp(void)
{
    modbus_mapping_t *map = tables();
    modbus_t *line = modbus_new_tcp("127.0.0.1", 0);
    int door = line == NULL ? -1 : modbus_tcp_listen(line, 8);
    struct sockaddr_in where;
    socklen_t size = sizeof where;
    if (door < 0 || getsockname(door, (struct sockaddr *)&where, &size))
        fail("tcp");
    printf("%d\n", ntohs(where.sin_port));
    fflush(stdout);
    fd_set watched;
    FD_ZERO(&watched);
    FD_SET(STDIN_FILENO, &watched);
    FD_SET(door, &watched);
    for (;;) {
        fd_set ready = watched;
        if (select(FD_SETSIZE, &ready, NULL, NULL, NULL) < 0 || FD_ISSET(STDIN_FILENO, &ready))
            return;
        for (int fd = 1; fd < FD_SETSIZE; fd++) {
            if (!FD_ISSET(fd, &ready))
                continue;
            if (fd == door) {
                int client = modbus_tcp_accept(line, &door);
                if (client >= 0)
                    FD_SET(client, &watched);
                continue;
            }
            modbus_set_socket(line, fd);
            if (!answer(line, map)) {
                close(fd);
                FD_CLR(fd, &watched);
            }
        }
    }
}

int main(int count, char **words)
{
    if (count == 2 && strcmp(words[1], "tcp") == 0)
        serve_tcp();
    else if (count >= 3 && count <= 5 && strcmp(words[1], "rtu") == 0)
        serve_rtu(words[2], count > 3 ? atoi(words[3]) : 9600, count > 4 ? words[4][0] : 'N');
    else {
        fprintf(stderr, "usage: libmodbus_server tcp | rtu PATH [BAUDRATE [PARITY]]\n");
        return 2;
    }
    return 0;
}
