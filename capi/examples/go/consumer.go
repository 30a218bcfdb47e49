// Receives the ticks that producer.c sends, by cgo: go run . [NAME].
package main

// #cgo pkg-config: ringmain
// #include <poll.h>
// #include <ringmain.h>
// typedef struct { uint64_t time; double price; } tick;
// ringmain_options options = {sizeof options, .capacity = 1 << 16, .type_tag = "tick", RINGMAIN_ELEMENT(tick)};
import "C"
import "fmt"
import "os"
import "runtime"
import "unsafe"

func main() {
	runtime.LockOSThread() // The words of the last error are those of a thread.
	rx, ticks, number, sum := (*C.ringmain_end)(nil), [256]C.tick{}, 0, 0.0
	name := C.CString(append(os.Args[1:], "ticks")[0])
	popped := C.ptrdiff_t(C.ringmain_attach(C.RINGMAIN_STREAM_CONSUMER, name, &C.options, &rx))
	for popped >= 0 || popped == -C.ECONNRESET && C.poll(nil, 0, 10) <= 0 { // Killed: the next one sends its own.
		popped = C.ringmain_stream_pop(rx, unsafe.Pointer(&ticks[0]), C.size_t(len(ticks)), C.RINGMAIN_FOREVER)
		for at := 0; at < int(popped); at++ {
			number, sum = number+1, sum+float64(ticks[at].price)
		}
	}
	fmt.Printf("%d ticks, sum %.1f; %s\n", number, sum, C.GoString(C.ringmain_last_error()))
	if popped != -C.EPIPE || C.ringmain_close(rx) < 0 {
		os.Exit(1)
	}
}
