"""A pymodbus device, unit 1. usage: pymodbus_server.py PORT FRAMER [CA CRT KEY]; with the last three it takes TLS with client certificates."""

import asyncio
import ssl
import sys
import warnings

warnings.filterwarnings("ignore")
from pymodbus import FramerType
from pymodbus.server import StartAsyncTcpServer, StartAsyncTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

address = ("127.0.0.1", int(sys.argv[1]))
bits = [SimData(0, count=64, values=False, datatype=DataType.BITS)]
device = SimDevice(
    id=1,
    simdata=(
        bits,
        [SimData(0, count=64, values=False, datatype=DataType.BITS)],
        [SimData(0, count=1000, values=7, datatype=DataType.REGISTERS)],
        [SimData(0, count=1000, values=9, datatype=DataType.REGISTERS)],
    ),
)
framer = FramerType(sys.argv[2])
if len(sys.argv) == 3:
    asyncio.run(StartAsyncTcpServer(device, address=address, framer=framer))
else:
    ca, crt, key = sys.argv[3:6]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(ca)
    context.load_cert_chain(crt, key)
    context.verify_mode = ssl.CERT_REQUIRED
    asyncio.run(StartAsyncTlsServer(device, address=address, sslctx=context))
