/* A libmodbus device, unit 1, with 100 of each point. It prints the port that it took; with a line (a pseudo terminal) it speaks
   RTU there and prints 0. usage: libmodbus_server [LINE] */
#include <arpa/inet.h>
#include <modbus.h>
#include <stdio.h>
#include <sys/socket.h>

static int serve_line(const char *line, modbus_mapping_t *points) {
    modbus_t *bus = modbus_new_rtu(line, 115200, 'N', 8, 1);
    uint8_t request[MODBUS_RTU_MAX_ADU_LENGTH];
    if (!bus || !points || modbus_set_slave(bus, 1) || modbus_connect(bus)) return 1;
    puts("0");
    fflush(stdout);
    for (;;) {
        int length = modbus_receive(bus, request);
        if (length > 0) modbus_reply(bus, request, length, points);
    }
}

int main(int count, char **words) {
    modbus_t *bus = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *points = modbus_mapping_new(100, 100, 100, 100);
    int door = modbus_tcp_listen(bus, 4);
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    if (count > 1) return serve_line(words[1], points);
    if (door == -1 || !points || getsockname(door, (struct sockaddr *)&own, &size)) return 1;
    printf("%d\n", ntohs(own.sin_port));
    fflush(stdout);
    while (modbus_tcp_accept(bus, &door) != -1) {
        int length;
        while ((length = modbus_receive(bus, request)) >= 0)
            if (length > 0) modbus_reply(bus, request, length, points);
        modbus_close(bus);
    }
    return 0;
}
