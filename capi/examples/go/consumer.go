// Receives the ticks that producer.c sends, by cgo: go run . [NAME].
package main

/*
#cgo pkg-config: ringmain
#include <ringmain.h>
#include <stdlib.h>

struct tick {
    uint64_t time;
    double price;
};

// cgo knows no macros with arguments.
static ringmain_end *attach(const char *name) {
    ringmain_end *rx = NULL;
    ringmain_attach(RINGMAIN_STREAM_CONSUMER, name,
                    &RINGMAIN_OPTIONS(.capacity = 1 << 16, .type_tag = "tick", RINGMAIN_ELEMENT(struct tick),
                                      .flags = RINGMAIN_UNLINK_ON_CLOSE), &rx);
    return rx;
}
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

func main() {
	name := "ticks"
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	runtime.LockOSThread() // The words of the last error are those of a thread.
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	rx := C.attach(text)
	if rx == nil {
		fmt.Fprintln(os.Stderr, C.GoString(C.ringmain_last_error()))
		os.Exit(1)
	}
	var ticks [256]C.struct_tick
	number, sum := 0, 0.0
	for {
		popped := int(C.ringmain_stream_pop(rx, unsafe.Pointer(&ticks[0]), C.size_t(len(ticks)), C.RINGMAIN_FOREVER))
		if popped < 0 {
			fmt.Printf("%d ticks, sum %.1f; %s\n", number, sum, C.GoString(C.ringmain_last_error()))
			if C.ringmain_close(rx) < 0 || syscall.Errno(-popped) != syscall.EPIPE {
				os.Exit(1)
			}
			return
		}
		number += popped
		for _, tick := range ticks[:popped] {
			sum += float64(tick.price)
		}
	}
}
