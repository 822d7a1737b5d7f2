#!/usr/bin/env python3
"""A station by c104 (lib60870 inside). usage: c104_station.py PORT

Common address 47. It prints each command that it executes, and speaks unasked of 13 (every command is an event).
"""
import datetime
import sys
import time

import c104

server = c104.Server(ip="127.0.0.1", port=int(sys.argv[1]))
station = server.add_station(common_address=47)

measured = station.add_point(io_address=11, type=c104.Type.M_ME_NC_1)
measured.value = 12.5
event = station.add_point(io_address=13, type=c104.Type.M_SP_NA_1)
counter = station.add_point(io_address=15, type=c104.Type.M_IT_NA_1)
counter.value = 7


def executed(point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage) -> c104.ResponseState:
    print("executed", point.type.name, point.io_address, point.value, flush=True)
    event.value = not event.value
    event.transmit(cause=c104.Cot.SPONTANEOUS)
    return c104.ResponseState.SUCCESS


for address, kind, mode in [
    (12, c104.Type.C_SC_NA_1, c104.CommandMode.DIRECT),
    (20, c104.Type.C_DC_NA_1, c104.CommandMode.DIRECT),
    (21, c104.Type.C_RC_NA_1, c104.CommandMode.DIRECT),
    (14, c104.Type.C_SE_NC_1, c104.CommandMode.DIRECT),
    (22, c104.Type.C_SC_NA_1, c104.CommandMode.SELECT_AND_EXECUTE),
]:
    point = station.add_point(io_address=address, type=kind, command_mode=mode)
    point.on_receive(callable=executed)


def clock(server: c104.Server, ip: str, date_time: datetime.datetime) -> c104.ResponseState:
    print("clock", flush=True)
    return c104.ResponseState.SUCCESS


server.on_clock_sync(callable=clock)
server.start()
while True:
    time.sleep(1)
