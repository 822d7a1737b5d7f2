#!/usr/bin/env python3
"""A control centre by c104 (lib60870 inside). usage: c104_centre.py PORT [CA CERTIFICATE KEY]

With certificates it speaks TLS itself. It does everything that the policy allows and one thing of each kind that it
refuses; the association must stay up all the time.
"""
import sys
import time

import c104

tls = None
if len(sys.argv) > 2:
    tls = c104.TransportSecurity(validate=True, only_known=False)
    tls.set_ca_certificate(cert=sys.argv[2])
    tls.set_certificate(cert=sys.argv[3], key=sys.argv[4])

client = c104.Client(tick_rate_ms=50, command_timeout_ms=10000, transport_security=tls)
connection = client.add_connection(ip="127.0.0.1", port=int(sys.argv[1]), init=c104.Init.NONE)
station = connection.add_station(common_address=47)
raw = []


def received(connection: c104.Connection, data: bytes) -> None:
    raw.append(bytes(data))


connection.on_receive_raw(callable=received)
measured = station.add_point(io_address=11, type=c104.Type.M_ME_NC_1)
event = station.add_point(io_address=13, type=c104.Type.M_SP_NA_1)
counter = station.add_point(io_address=15, type=c104.Type.M_IT_NA_1)
single = station.add_point(io_address=12, type=c104.Type.C_SC_NA_1)
double = station.add_point(io_address=20, type=c104.Type.C_DC_NA_1)
step = station.add_point(io_address=21, type=c104.Type.C_RC_NA_1)
setpoint = station.add_point(io_address=14, type=c104.Type.C_SE_NC_1)
selected = station.add_point(
    io_address=22, type=c104.Type.C_SC_NA_1, command_mode=c104.CommandMode.SELECT_AND_EXECUTE
)
bare = station.add_point(io_address=23, type=c104.Type.C_SC_NA_1)


def until(what, holds):
    end = time.time() + 30
    while not holds():
        assert time.time() < end, what
        time.sleep(0.02)


def sent(point, value):
    point.value = value
    done = point.transmit(cause=c104.Cot.ACTIVATION)
    assert connection.is_connected, "the association stays up"
    return done


def negatives():
    """Negative ASDUs so far: (type, cause, information object address)."""
    asdus = [one[6:] for one in raw if len(one) > 12 and one[2] & 1 == 0]
    return [(one[0], one[2] & 0x3F, int.from_bytes(one[6:9], "little")) for one in asdus if one[2] & 0x40]


def refused(what, kind, address, act):
    before = len(negatives())
    assert not act(), f"{what} was done"
    until(f"{what} is not confirmed negatively", lambda: len(negatives()) > before)
    told = negatives()[before]
    assert told[0] == kind and told[2] == address, (what, told)
    assert connection.is_connected, "the association stays up"


client.start()
until("not connected", lambda: connection.is_connected)
assert connection.interrogation(common_address=47), "interrogation"
until("no interrogated value", lambda: measured.value == 12.5)
assert connection.counter_interrogation(common_address=47), "counters"
until("no counter", lambda: int(counter.value) == 7)
assert connection.clock_sync(common_address=47), "clock"
assert measured.read(), "read"
events = 0
for what, point, value in [
    ("single", single, True),
    ("double", double, c104.Double.ON),
    ("step", step, c104.Step.HIGHER),
    ("set-point", setpoint, 3.25),
    ("select before operate", selected, True),
]:
    was = event.value
    assert sent(point, value), what
    until(f"no event after {what}", lambda: event.value != was)
refused("the other state", 45, 12, lambda: sent(single, False))
refused("a set-point out of range", 50, 14, lambda: sent(setpoint, 51.0))
refused("an execute without its select", 45, 23, lambda: sent(bare, True))
assert sent(single, True), "allowed after refusals"
assert connection.interrogation(common_address=47), "interrogation after refusals"
client.stop()
print("OK", len(raw))
