"""How do scapy and pymodbus read these bytes?

usage: oracles.py scapy | pymodbus

In (stdin): a batch is a count u32, then for each message: kind u8 (1: an answer; 2: RTU), length u16, bytes.
Out (stdout): a batch is its length u32, then for each message: 0 (refused), 2 (waits for more), or 1, bytes used u16
(0: it does not say), id u16, unit u8, length u16 and the PDU that the library's fields say: written again from the
fields alone, every count worked out anew, so that what the library did not read is not in it.
"""

import gc
import struct
import sys

# Every so many messages scapy reads with their header; the others from the PDU on.
WHOLE = 8
REFUSED, READ, WAITS = b"\0", b"\1", b"\2"
u8, u16 = struct.Struct(">B"), struct.Struct(">H")


def words(values):
    return struct.pack(">%dH" % len(values), *values)


def counted(body):
    return bytes((len(body),)) + body


def group(file, record, data=b"", length=None):
    return struct.pack(">BHHH", 6, file, record, len(data) // 2 if length is None else length) + data


def scapy_reader():
    from scapy.config import conf

    conf.load_layers = []
    conf.ipv6_enabled = False
    # Its own bound is 100 elements; a PDU has up to 251.
    conf.max_list_count = 256
    from scapy.contrib import modbus as m
    from scapy.packet import NoPayload, Padding, Raw

    def chain(first, kind):
        while isinstance(first, kind):
            yield first.fields
            first = first.payload

    def rest(packet):
        return bytes(packet.original)

    def bits(f, at):
        return counted(bytes(f[at]))

    def read_files(p, f):
        return counted(b"".join(
            group(g["fileNumber"], g["recordNumber"], length=g["recordLength"])
            for g in chain(p.payload, m.ModbusReadFileSubRequest)))

    def write_files(p, kind):
        return counted(b"".join(
            struct.pack(">BHHH", g["refType"], g["fileNumber"], g["recordNumber"], len(g["recordData"])) + words(g["recordData"])
            for g in chain(p.payload, kind)))

    def files(p, f):
        return counted(b"".join(
            counted(u8.pack(g["refType"]) + words(g["recData"])) for g in chain(p.payload, m.ModbusReadFileSubResponse)))

    def objects(p, f):
        each = list(chain(p.payload, m.ModbusObjectId))
        return (bytes((f["MEIType"], f["readCode"], f["conformityLevel"], f["more"], f["nextObjId"], len(each)))
                + b"".join(u8.pack(o["id"]) + counted(o["value"]) for o in each))

    def server_id(p, f):
        # Its run indicator stands behind the counted bytes; in the standard it is the last of them.
        return counted(f["slaveId"] if f["byteCount"] else b"")

    def two(a, b):
        return lambda p, f: struct.pack(">HH", f[a], f[b])

    def three(p, f):
        return struct.pack(">HHH", f["refAddr"], f["andMask"], f["orMask"])

    def registers(p, f):
        return counted(words(f["registerVal"]))

    def sub(p, f):
        return u16.pack(f["subFunc"]) + words(f["data"])

    def nothing(p, f):
        return b""

    def payload(p, f):
        return f["mb_payload"]

    def read_write(p, f):
        v = f["writeRegistersValue"]
        return struct.pack(">HHHH", f["readStartingAddr"], f["readQuantityRegisters"], f["writeStartingAddr"],
                           f["writeQuantityRegisters"]) + counted(words(v))

    def write_coils(p, f):
        return struct.pack(">HH", f["startAddr"], f["quantityOutput"]) + bits(f, "outputsValue")

    def write_registers(p, f):
        return struct.pack(">HH", f["startAddr"], f["quantityRegisters"]) + counted(words(f["outputsValue"]))

    read = two("startAddr", "quantity")
    requests = {
        m.ModbusPDU01ReadCoilsRequest: read, m.ModbusPDU02ReadDiscreteInputsRequest: read,
        m.ModbusPDU03ReadHoldingRegistersRequest: read, m.ModbusPDU04ReadInputRegistersRequest: read,
        m.ModbusPDU05WriteSingleCoilRequest: two("outputAddr", "outputValue"),
        m.ModbusPDU06WriteSingleRegisterRequest: two("registerAddr", "registerValue"),
        m.ModbusPDU07ReadExceptionStatusRequest: nothing, m.ModbusPDU08DiagnosticsRequest: sub,
        m.ModbusPDU0BGetCommEventCounterRequest: nothing, m.ModbusPDU0CGetCommEventLogRequest: nothing,
        m.ModbusPDU0FWriteMultipleCoilsRequest: write_coils,
        m.ModbusPDU10WriteMultipleRegistersRequest: write_registers,
        m.ModbusPDU11ReportSlaveIdRequest: nothing, m.ModbusPDU14ReadFileRecordRequest: read_files,
        m.ModbusPDU15WriteFileRecordRequest: lambda p, f: write_files(p, m.ModbusWriteFileSubRequest),
        m.ModbusPDU16MaskWriteRegisterRequest: three,
        m.ModbusPDU17ReadWriteMultipleRegistersRequest: read_write,
        m.ModbusPDU18ReadFIFOQueueRequest: lambda p, f: u16.pack(f["FIFOPointerAddr"]),
        m.ModbusPDU2B0EReadDeviceIdentificationRequest:
            lambda p, f: bytes((f["MEIType"], f["readCode"], f["objectId"])),
        m.ModbusPDUReservedFunctionCodeRequest: payload, m.ModbusPDUUserDefinedFunctionCodeRequest: payload,
    }
    answers = {
        m.ModbusPDU01ReadCoilsResponse: lambda p, f: bits(f, "coilStatus"),
        m.ModbusPDU02ReadDiscreteInputsResponse: lambda p, f: bits(f, "inputStatus"),
        m.ModbusPDU03ReadHoldingRegistersResponse: registers, m.ModbusPDU04ReadInputRegistersResponse: registers,
        m.ModbusPDU05WriteSingleCoilResponse: two("outputAddr", "outputValue"),
        m.ModbusPDU06WriteSingleRegisterResponse: two("registerAddr", "registerValue"),
        m.ModbusPDU07ReadExceptionStatusResponse: lambda p, f: u8.pack(f["startAddr"]),
        m.ModbusPDU08DiagnosticsResponse: sub,
        m.ModbusPDU0BGetCommEventCounterResponse: two("status", "eventCount"),
        m.ModbusPDU0CGetCommEventLogResponse: lambda p, f: counted(
            struct.pack(">HHH", f["status"], f["eventCount"], f["messageCount"]) + bytes(f["event"])),
        m.ModbusPDU0FWriteMultipleCoilsResponse: two("startAddr", "quantityOutput"),
        m.ModbusPDU10WriteMultipleRegistersResponse: two("startAddr", "quantityRegisters"),
        m.ModbusPDU11ReportSlaveIdResponse: server_id, m.ModbusPDU14ReadFileRecordResponse: files,
        m.ModbusPDU15WriteFileRecordResponse: lambda p, f: write_files(p, m.ModbusWriteFileSubResponse),
        m.ModbusPDU16MaskWriteRegisterResponse: three, m.ModbusPDU17ReadWriteMultipleRegistersResponse: registers,
        m.ModbusPDU18ReadFIFOQueueResponse: lambda p, f: (
            struct.pack(">HH", 2 + 2 * len(f["FIFOVal"]), f["FIFOCount"]) + words(f["FIFOVal"])),
        m.ModbusPDU2B0EReadDeviceIdentificationResponse: objects,
        m.ModbusPDUReservedFunctionCodeResponse: payload, m.ModbusPDUUserDefinedFunctionCodeResponse: payload,
        m.ModbusPDUReservedFunctionCodeError: payload, m.ModbusPDUUserDefinedFunctionCodeError: payload,
    }
    for error in m._modbus_error_classes.values():
        answers[error] = lambda p, f: u8.pack(f["exceptCode"] if "exceptCode" in f else f["exceptionCode"])
    sides = ((m.ModbusADURequest, requests, m.ModbusADURequest()), (m.ModbusADUResponse, answers, m.ModbusADUResponse()))
    turn = 0

    def read_one(kind, data):
        nonlocal turn
        if kind & 2:
            return REFUSED
        header, classes, model = sides[kind & 1]
        turn += 1
        try:
            if turn % WHOLE == 0 or len(data) < 8:
                packet = header(data)
                pdu, h = packet.payload, packet.fields
                id, unit = h["transId"], h["unitId"]
            else:
                # A packet for the header takes half of all time, and the header is four fixed fields.
                id, _, _, unit = struct.unpack(">HHHB", data[:7])
                pdu = model.guess_payload_class(data[7:])(data[7:])
            body = classes[type(pdu)]
            f = pdu.fields
            told = bytes((f["funcCode"],)) + body(pdu, f)
        except Exception:  # As scapy itself does: whatever a dissector raises, it leaves raw bytes.
            return REFUSED
        return READ + struct.pack(">HHBH", 0, id, unit, len(told)) + told

    return read_one


def pymodbus_reader():
    import logging

    logging.disable(logging.CRITICAL)
    from pymodbus.exceptions import ModbusException
    from pymodbus.framer import FramerRTU, FramerSocket
    from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
    from pymodbus.pdu.utils import pack_bitstring

    # Only for its own log, and half of its time.
    ModbusPDU.__str__ = lambda self: ""

    def diagnostic(p):
        data = p.message
        if isinstance(data, int):
            data = u16.pack(data)
        elif isinstance(data, (list, tuple)):
            data = words(data)
        return u16.pack(p.sub_function_code) + (data or b"")

    def objects(p):
        each = []
        for number, value in p.information.items():
            each += [(number, one) for one in (value if isinstance(value, list) else [value])]
        return (bytes((p.sub_function_code, p.read_code, p.conformity, p.more_follows, p.next_object_id, len(each)))
                + b"".join(u8.pack(number) + counted(value) for number, value in each))

    def read(p):
        return struct.pack(">HH", p.address, p.count)

    def write_coil(p):
        return struct.pack(">HH", p.address, 0xFF00 if p.bits[0] else 0)

    def write_register(p):
        return struct.pack(">HH", p.address, p.registers[0])

    def bits(p):
        return counted(pack_bitstring(p.bits))

    def registers(p):
        return counted(words(p.registers))

    def write_files(p):
        return counted(b"".join(group(r.file_number, r.record_number, r.record_data) for r in p.records))

    def mask(p):
        return struct.pack(">HHH", p.address, p.and_mask, p.or_mask)

    def nothing(p):
        return b""

    def server_id(p):
        return counted(p.identifier + (b"\xff" if p.status else b"\0"))

    def event_log(p):
        return counted(struct.pack(">HHH", 0 if p.status else 0xFFFF, p.event_count, p.message_count) + bytes(p.events))

    requests = {
        1: read, 2: read, 3: read, 4: read, 5: write_coil, 6: write_register,
        7: nothing, 8: diagnostic, 11: nothing, 12: nothing, 17: nothing,
        15: lambda p: struct.pack(">HH", p.address, p.count) + bits(p),
        16: lambda p: struct.pack(">HH", p.address, p.count) + registers(p),
        20: lambda p: counted(b"".join(
            group(r.file_number, r.record_number, length=r.record_length * 2) for r in p.records)),
        21: write_files, 22: mask,
        23: lambda p: struct.pack(">HHHH", p.read_address, p.read_count, p.write_address, p.write_count)
            + counted(words(p.write_registers)),
        24: lambda p: u16.pack(p.address),
        43: lambda p: bytes((p.sub_function_code, p.read_code, p.object_id)),
    }
    answers = {
        1: bits, 2: bits, 3: registers, 4: registers, 5: write_coil, 6: write_register,
        7: lambda p: u8.pack(p.status), 8: diagnostic,
        11: lambda p: struct.pack(">HH", 0 if p.status else 0xFFFF, p.count),
        12: event_log, 15: read, 16: read, 17: server_id,
        20: lambda p: counted(b"".join(counted(b"\6" + r.record_data) for r in p.records)),
        21: write_files, 22: mask, 23: registers,
        24: lambda p: struct.pack(">HH", 2 + 2 * len(p.values), len(p.values)) + words(p.values),
        43: objects,
    }
    decoders = DecodePDU(True), DecodePDU(False)
    framers = [FramerSocket(decoders[0]), FramerSocket(decoders[1]), FramerRTU(decoders[0]), FramerRTU(decoders[1])]

    def read_one(kind, data):
        try:
            used, pdu = framers[kind].handleFrame(data, 0, 0)
            if pdu is None:
                return WAITS if used == 0 else REFUSED
            if isinstance(pdu, ExceptionResponse):
                told = bytes((pdu.function_code, pdu.exception_code))
            else:
                told = bytes((pdu.function_code,)) + (answers if kind & 1 else requests)[pdu.function_code](pdu)
        except (ModbusException, KeyError, IndexError, ValueError, TypeError, AttributeError, struct.error):
            return REFUSED
        return READ + struct.pack(">HHBH", 0 if kind & 2 else used, pdu.transaction_id, pdu.dev_id, len(told)) + told

    return read_one


def main():
    read_one = {"scapy": scapy_reader, "pymodbus": pymodbus_reader}[sys.argv[1]]()
    # Packets refer to each other: collecting them is a tenth of all time where it is done as often as Python would.
    gc.set_threshold(100_000, 50, 100)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(4):
        (count,) = struct.unpack(">I", head)
        told = []
        for _ in range(count):
            kind, length = struct.unpack(">BH", source.read(3))
            told.append(read_one(kind, source.read(length)))
        batch = b"".join(told)
        sink.write(struct.pack(">I", len(batch)))
        sink.write(batch)
        sink.flush()


main()
