"""Receives the ticks that producer.c sends, by ctypes alone: python3 consumer.py libringmain.so [NAME]."""
import ctypes as c
import errno
import sys


class Tick(c.Structure):
    _fields_ = [("time", c.c_uint64), ("price", c.c_double)]


class Options(c.Structure):
    _fields_ = [(key, c.c_size_t) for key in ("size", "capacity", "element_size", "element_align", "record")]
    _fields_ += [("type_tag", c.c_char_p), ("wait_for_ns", c.c_int64), ("pace_ns", c.c_int64)]
    _fields_ += [("max_capacity", c.c_size_t), ("start_at", c.c_uint64)]
    _fields_ += [(key, c.c_uint32) for key in ("create", "wait", "mode", "owner", "flags")] + [("descriptor", c.c_int)]


STREAM_CONSUMER, FOREVER, UNLINK_ON_CLOSE = 2, c.c_int64(2**63 - 1), 1
ringmain = c.CDLL(sys.argv[1])
ringmain.ringmain_last_error.restype, ringmain.ringmain_stream_pop.restype = c.c_char_p, c.c_ssize_t
options = Options(size=c.sizeof(Options), capacity=1 << 16, element_size=c.sizeof(Tick), type_tag=b"tick",
                  element_align=c.alignment(Tick), flags=UNLINK_ON_CLOSE)
rx, ticks, number, total = c.c_void_p(), (Tick * 256)(), 0, 0.0
name = sys.argv[2].encode() if len(sys.argv) > 2 else b"ticks"
if ringmain.ringmain_attach(STREAM_CONSUMER, name, c.byref(options), c.byref(rx)) < 0:
    sys.exit(ringmain.ringmain_last_error().decode())
while (popped := ringmain.ringmain_stream_pop(rx, ticks, c.c_size_t(len(ticks)), FOREVER)) > 0:
    number, total = number + popped, total + sum(tick.price for tick in ticks[:popped])
print(f"{number} ticks, sum {total:.1f}; {ringmain.ringmain_last_error().decode()}")
sys.exit(popped != -errno.EPIPE or ringmain.ringmain_close(rx) < 0)
