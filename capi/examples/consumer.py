"""Receives the ticks that producer.c sends, by ctypes alone: python3 consumer.py libringmain.so [NAME]."""
import ctypes as c
import errno
import sys
import time


class Tick(c.Structure):
    _fields_ = [("time", c.c_uint64), ("price", c.c_double)]


class Options(c.Structure):
    _fields_ = [(key, c.c_size_t) for key in ("size", "capacity", "element_size", "element_align", "record")]
    _fields_ += [("type_tag", c.c_char_p), ("wait_for_ns", c.c_int64), ("pace_ns", c.c_int64)]
    _fields_ += [("max_capacity", c.c_size_t), ("start_at", c.c_uint64)]
    _fields_ += [(key, c.c_uint32) for key in ("create", "wait", "mode", "owner", "flags")] + [("descriptor", c.c_int)]


ringmain, STREAM_CONSUMER, FOREVER = c.CDLL(sys.argv[1]), 2, c.c_int64(2**63 - 1)
ringmain.ringmain_last_error.restype, ringmain.ringmain_stream_pop.restype = c.c_char_p, c.c_ssize_t
options = Options(c.sizeof(Options), 1 << 16, c.sizeof(Tick), c.alignment(Tick), type_tag=b"tick")
rx, ticks, room, number, total = c.c_void_p(), (Tick * 256)(), c.c_size_t(256), 0, 0.0
if ringmain.ringmain_attach(STREAM_CONSUMER, (sys.argv + ["ticks"])[2].encode(), c.byref(options), c.byref(rx)) < 0:
    sys.exit(ringmain.ringmain_last_error().decode())
while (popped := ringmain.ringmain_stream_pop(rx, ticks, room, FOREVER)) > 0 or popped == -errno.ECONNRESET:
    time.sleep(0 if popped > 0 else 0.01)  # The producer was killed: the next one sends all of its own.
    received = ticks[:max(popped, 0)]
    number, total = number + len(received), total + sum(tick.price for tick in received)
print(f"{number} ticks, sum {total:.1f}; {ringmain.ringmain_last_error().decode()}")
sys.exit(popped != -errno.EPIPE or ringmain.ringmain_close(rx) < 0)
