/* A libmodbus client: works, is refused with its own errno, goes on. usage: libmodbus_client PORT|LINE
   A line, such as a pseudo terminal, is spoken to in RTU. */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>

static modbus_t *bus;

static void fail(const char *what) {
    fprintf(stderr, "%s: %s (%d)\n", what, modbus_strerror(errno), errno);
    exit(1);
}

/* The request after a refusal is served on the same connection. */
static void works(const char *after) {
    uint16_t values[2];
    if (modbus_read_registers(bus, 40, 2, values) != 2) fail(after);
}

static void refused(const char *what, int got, int expected) {
    if (got != -1 || errno != expected) fail(what);
    works(what);
}

int main(int count, char **words) {
    uint16_t values[2] = {3, 4}, one = 5, back = 0;
    uint8_t bits[3] = {1, 0, 1};
    if (count > 1 && words[1][0] == '/') bus = modbus_new_rtu(words[1], 115200, 'N', 8, 1);
    else bus = modbus_new_tcp("127.0.0.1", count > 1 ? atoi(words[1]) : 502);
    modbus_set_slave(bus, 1);
    modbus_set_response_timeout(bus, 30, 0);
    if (modbus_connect(bus) == -1) fail("connect");
    works("the first request");
    if (modbus_write_register(bus, 40, 1200) != 1) fail("FC 6");
    if (modbus_write_registers(bus, 41, 2, values) != 2) fail("FC 16");
    if (modbus_write_bit(bus, 3, 1) != 1) fail("FC 5");
    if (modbus_write_bits(bus, 4, 3, bits) != 3) fail("FC 15");
    if (modbus_read_bits(bus, 3, 3, bits) != 3 || bits[0] != 1 || bits[1] != 1 || bits[2] != 0) fail("FC 1");
    if (modbus_read_input_bits(bus, 0, 3, bits) != 3) fail("FC 2");
    if (modbus_read_input_registers(bus, 0, 2, values) != 2) fail("FC 4");
    if (modbus_write_and_read_registers(bus, 43, 1, &one, 40, 1, &back) != 1 || back != 1200) fail("FC 23");

    refused("a read outside", modbus_read_registers(bus, 200, 1, values), EMBXILADD);
    refused("a write outside", modbus_write_register(bus, 50, 1), EMBXILADD);
    refused("a value too high", modbus_write_register(bus, 40, 1501), EMBXILVAL);
    refused("a mask", modbus_mask_write_register(bus, 40, 0, 1), EMBXILFUN);
    refused("a write behind a read", modbus_write_and_read_registers(bus, 90, 1, &one, 40, 1, &back), EMBXILADD);
    if (modbus_read_registers(bus, 40, 1, values) != 1 || values[0] != 1200) fail("what was refused changed something");
    modbus_close(bus);
    modbus_free(bus);
    puts("OK");
    return 0;
}
