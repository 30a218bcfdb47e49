"""Receives the ticks that producer.c sends, by ctypes alone: python3 consumer.py libringmain.so [NAME]."""
import ctypes
import errno
import sys


class Tick(ctypes.Structure):
    _fields_ = [("time", ctypes.c_uint64), ("price", ctypes.c_double)]


class Options(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("size", "capacity", "element_size", "element_align", "record")]
    _fields_ += [("type_tag", ctypes.c_char_p), ("wait_for_ns", ctypes.c_int64), ("pace_ns", ctypes.c_int64)]
    _fields_ += [("max_capacity", ctypes.c_size_t), ("start_at", ctypes.c_uint64)]
    _fields_ += [(name, ctypes.c_uint32) for name in ("create", "wait", "mode", "owner", "flags")]
    _fields_ += [("descriptor", ctypes.c_int)]


STREAM_CONSUMER, FOREVER, UNLINK_ON_CLOSE = 2, 2**63 - 1, 1
ringmain = ctypes.CDLL(sys.argv[1])
ringmain.ringmain_last_error.restype = ctypes.c_char_p
ringmain.ringmain_stream_pop.restype = ctypes.c_ssize_t
ringmain.ringmain_stream_pop.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64]

name = sys.argv[2].encode() if len(sys.argv) > 2 else b"ticks"
options = Options(size=ctypes.sizeof(Options), capacity=1 << 16, element_size=16, element_align=8, type_tag=b"tick",
                  flags=UNLINK_ON_CLOSE)
rx, ticks, number, total = ctypes.c_void_p(), (Tick * 256)(), 0, 0.0
if ringmain.ringmain_attach(STREAM_CONSUMER, name, ctypes.byref(options), ctypes.byref(rx)) < 0:
    sys.exit(ringmain.ringmain_last_error().decode())
while (popped := ringmain.ringmain_stream_pop(rx, ticks, len(ticks), FOREVER)) > 0:
    number, total = number + popped, total + sum(tick.price for tick in ticks[:popped])
print(f"{number} ticks, sum {total:.1f}; {ringmain.ringmain_last_error().decode()}")
sys.exit(popped != -errno.EPIPE or ringmain.ringmain_close(rx) < 0)
