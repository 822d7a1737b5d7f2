"""A pymodbus client that knows every function. usage: pymodbus_functions.py PORT FRAMER WHAT [CA CRT KEY]

FRAMER: socket, rtu. WHAT: device (the answers of the tests' own device), pymodbus (those of a pymodbus server), refused (each by
default deny). With the last three it speaks TLS.
"""

import ssl
import sys

from pymodbus import FramerType
from pymodbus.client import ModbusTcpClient, ModbusTlsClient
from pymodbus.pdu import ExceptionResponse
from pymodbus.pdu.file_message import FileRecord

port, framer, what = int(sys.argv[1]), FramerType(sys.argv[2]), sys.argv[3]
options = {"port": port, "timeout": 30, "retries": 0}
if len(sys.argv) > 4:
    ca, crt, key = sys.argv[4:7]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    context.load_cert_chain(crt, key)
    context.check_hostname = False
    if framer is FramerType.SOCKET:
        client = ModbusTlsClient("127.0.0.1", sslctx=context, framer=FramerType.TLS, **options)
    else:

        class RtuWithinTls(ModbusTcpClient):
            """Its own TLS client knows no RTU: its TCP client with TLS around the socket."""

            def connect(self):
                if not super().connect():
                    return False
                if not isinstance(self.socket, ssl.SSLSocket):
                    self.socket = context.wrap_socket(self.socket)
                return True

        client = RtuWithinTls("127.0.0.1", framer=framer, **options)
else:
    client = ModbusTcpClient("127.0.0.1", framer=framer, **options)
assert client.connect(), "no connection"
first_socket = client.socket

# FileRecord counts bytes where the wire counts registers.
# Function, request, what of the answer is looked at, what the tests' device says. Where pymodbus' own server does not say what the
# standard does, the last is False.
ALL = [
    (1, lambda: client.read_coils(0, count=9, device_id=1), lambda a: a.bits[:9], [False] * 9, True),
    (2, lambda: client.read_discrete_inputs(0, count=9, device_id=1), lambda a: a.bits[:9], [False] * 9, True),
    (3, lambda: client.read_holding_registers(7, count=2, device_id=1), lambda a: a.registers, [7, 8], True),
    (4, lambda: client.read_input_registers(7, count=1, device_id=1), lambda a: a.registers, [7], True),
    (5, lambda: client.write_coil(7, True, device_id=1), lambda a: a.bits[:1], [True], True),
    (6, lambda: client.write_register(40, 1500, device_id=1), lambda a: a.registers, [1500], True),
    (7, lambda: client.read_exception_status(device_id=1), lambda a: a.status, 0x6D, True),
    (8, lambda: client.diag_query_data(b"\xa5\x37", device_id=1), lambda a: a.message, b"\xa5\x37", True),
    (11, lambda: client.diag_get_comm_event_counter(device_id=1), lambda a: (a.status, a.count), (False, 0x0108), True),
    (12, lambda: client.diag_get_comm_event_log(device_id=1), lambda a: (a.event_count, a.message_count, a.events), (0x0108, 0x0121, [0x20, 0]), True),
    (15, lambda: client.write_coils(0, [True, False, True], device_id=1), lambda a: a.count, 3, True),
    (16, lambda: client.write_registers(40, [1, 2], device_id=1), lambda a: a.count, 2, True),
    (17, lambda: client.report_device_id(device_id=1), lambda a: a.identifier, b"plc", True),
    (20, lambda: client.read_file_record([FileRecord(file_number=4, record_number=1, record_length=4)], device_id=1),
        lambda a: [r.record_data for r in a.records], [b"\x0d\xfe\x00\x20"], False),
    (21, lambda: client.write_file_record([FileRecord(file_number=4, record_number=7, record_data=b"\x06\xaf\x04\xbe")], device_id=1),
        lambda a: [(r.file_number, r.record_number, r.record_data) for r in a.records], [(4, 7, b"\x06\xaf\x04\xbe")], True),
    (22, lambda: client.mask_write_register(address=50, and_mask=0xFFF7, or_mask=8, device_id=1), lambda a: (a.and_mask, a.or_mask), (0xFFF7, 8), True),
    (23, lambda: client.readwrite_registers(read_address=7, read_count=1, write_address=40, values=[5], device_id=1), lambda a: a.registers, [7], True),
    (24, lambda: client.read_fifo_queue(address=10, device_id=1), lambda a: a.values, [0x01B8, 0x1284], True),
    (43, lambda: client.read_device_information(read_code=1, object_id=0, device_id=1), lambda a: a.information,
        {0: b"Acme", 1: b"P1", 2: b"1.0"}, True),
]

for function, ask, look, due, conforms in ALL:
    if what == "pymodbus" and not conforms:
        continue
    # Over RTU pymodbus takes the answer to FC 24 for two bytes shorter than it is (Application Protocol 6.18).
    if function == 24 and framer is FramerType.RTU and what != "refused":
        continue
    answer = ask()
    if what == "refused":
        assert isinstance(answer, ExceptionResponse) and answer.exception_code == 1, (function, answer)
        assert answer.function_code == function | 0x80, (function, answer)
        continue
    assert not isinstance(answer, ExceptionResponse), (function, answer)
    if what == "device":
        assert look(answer) == due, (function, look(answer), due)
assert client.socket is first_socket, "it had to connect again"
client.close()
print("OK")
