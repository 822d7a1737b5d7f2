#!/usr/bin/env python3
"""A control centre by c104 (lib60870 inside). usage: c104_centre.py PORT [CA CERTIFICATE KEY]

With certificates it speaks TLS itself. It does everything that the policy allows and one thing of each kind that it
refuses; the association must stay up all the time.

What was done is judged by the frames received: on a busy machine c104 misses its own wake-up now and then, and says that
a command failed whose confirmation it holds, or stays muted without having sent STARTDT. Frames reach `raw` a little
after the values that they carry.
"""
import sys
import time

import c104

tls = None
if len(sys.argv) > 2:
    tls = c104.TransportSecurity(validate=True, only_known=False)
    tls.set_ca_certificate(cert=sys.argv[2])
    tls.set_certificate(cert=sys.argv[3], key=sys.argv[4])

client = c104.Client(tick_rate_ms=50, command_timeout_ms=2000, transport_security=tls)
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


def confirmations(negative):
    """The confirmations of that kind so far: (type, information object address). Monitored types are no confirmations."""
    asdus = [one[6:] for one in raw if len(one) > 14 and one[2] & 1 == 0]
    told = [one for one in asdus if one[0] >= 45 and one[2] & 0x3F == 7 and bool(one[2] & 0x40) == negative]
    return [(one[0], int.from_bytes(one[6:9], "little")) for one in told]


def answered(what, kind, address, act, negative=False):
    before = len(confirmations(negative))
    done = act()
    until(f"{what} is not confirmed, negatively: {negative}", lambda: len(confirmations(negative)) > before)
    told = confirmations(negative)[before]
    assert told == (kind, address), (what, told)
    assert connection.is_connected, "the association stays up"
    return done


def refused(what, kind, address, act):
    done = confirmations(False).count((kind, address))
    # That much of c104's own word counts: what it calls done was confirmed.
    assert not answered(what, kind, address, act, negative=True), f"c104 calls {what} done"
    assert confirmations(False).count((kind, address)) == done, f"{what} was done"


def executed_or_given_up(seconds=3):
    """c104 sends no execute when it has missed the wake-up of its select: the caller then starts again."""
    end = time.time() + seconds
    while event.value == was and time.time() < end:
        time.sleep(0.02)
    return event.value != was


def interrogated(what):
    answered(what, 100, 0, lambda: connection.interrogation(common_address=47))


def sent(point, value):
    point.value = value
    return point.transmit(cause=c104.Cot.ACTIVATION)


def started():
    if connection.is_connected and connection.is_muted:
        connection.unmute()
    return raw and connection.state == c104.ConnectionState.OPEN


client.start()
until("STARTDT is not confirmed", started)
interrogated("interrogation")
until("no interrogated value", lambda: measured.value == 12.5)
answered("counters", 101, 0, lambda: connection.counter_interrogation(common_address=47))
until("no counter", lambda: int(counter.value) == 7)
answered("clock", 103, 0, lambda: connection.clock_sync(common_address=47))
answered("read", 102, 11, measured.read)
for what, kind, point, value in [
    ("single", 45, single, True),
    ("double", 46, double, c104.Double.ON),
    ("step", 47, step, c104.Step.HIGHER),
    ("set-point", 50, setpoint, 3.25),
    ("select before operate", 45, selected, True),
]:
    was = event.value
    answered(what, kind, point.io_address, lambda: sent(point, value))
    if point is selected and not executed_or_given_up():
        sent(point, value)
    until(f"no event after {what}", lambda: event.value != was)
refused("the other state", 45, 12, lambda: sent(single, False))
refused("a set-point out of range", 50, 14, lambda: sent(setpoint, 51.0))
refused("an execute without its select", 45, 23, lambda: sent(bare, True))
answered("allowed after refusals", 45, 12, lambda: sent(single, True))
interrogated("interrogation after refusals")
client.stop()
print("OK", len(raw))
