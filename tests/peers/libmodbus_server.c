/* A libmodbus device with 100 of each point. It prints the port that it took. */
#include <arpa/inet.h>
#include <modbus.h>
#include <stdio.h>
#include <sys/socket.h>

int main(void) {
    modbus_t *bus = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *points = modbus_mapping_new(100, 100, 100, 100);
    int door = modbus_tcp_listen(bus, 4);
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
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
