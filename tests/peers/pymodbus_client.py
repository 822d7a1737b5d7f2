"""A pymodbus client over TLS: works, is refused, goes on. usage: pymodbus_client.py PORT CA CRT KEY"""

import ssl
import sys

from pymodbus.client import ModbusTlsClient
from pymodbus.pdu import ExceptionResponse

port, ca, crt, key = int(sys.argv[1]), *sys.argv[2:5]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(ca)
context.load_cert_chain(crt, key)
# pymodbus names no server when it wraps its socket, so that there is no name to compare.
context.check_hostname = False
client = ModbusTlsClient("127.0.0.1", port=port, sslctx=context, timeout=30, retries=0)
assert client.connect(), "no connection"
first_socket = client.socket


def works():
    """The request after a refusal is served on the same connection."""
    answer = client.read_holding_registers(40, count=2, device_id=1)
    assert not answer.isError() and len(answer.registers) == 2, answer
    assert client.socket is first_socket, "it had to connect again"
    return answer.registers


def refused(answer, code):
    assert isinstance(answer, ExceptionResponse), answer
    assert answer.exception_code == code, answer
    works()


works()
assert not client.write_register(40, 1200, device_id=1).isError()
assert not client.write_registers(41, [3, 4], device_id=1).isError()
assert works() == [1200, 3]
assert not client.write_coil(3, True, device_id=1).isError()
assert not client.write_coils(4, [True, False, True], device_id=1).isError()
assert client.read_coils(3, count=4, device_id=1).bits[:4] == [True, True, False, True]
assert not client.read_discrete_inputs(0, count=8, device_id=1).isError()
assert not client.read_input_registers(0, count=4, device_id=1).isError()
both = client.readwrite_registers(read_address=40, read_count=1, write_address=43, values=[9], device_id=1)
assert not both.isError() and both.registers == [1200], both

refused(client.read_holding_registers(200, count=1, device_id=1), 2)
refused(client.write_register(50, 1, device_id=1), 2)
refused(client.write_register(40, 1501, device_id=1), 3)
refused(client.write_registers(40, [1, 1501], device_id=1), 3)
refused(client.mask_write_register(address=40, and_mask=0, or_mask=1, device_id=1), 1)
refused(client.readwrite_registers(read_address=0, read_count=1, write_address=90, values=[5], device_id=1), 2)
refused(client.write_coil(9, True, device_id=1), 2)
refused(client.read_holding_registers(0, count=1, device_id=2), 1)
refused(client.diag_query_data(b"ab", device_id=1), 1)
refused(client.read_device_information(read_code=1, object_id=0, device_id=1), 1)
assert works() == [1200, 3], "what was refused changed nothing"
client.close()
print("OK")
