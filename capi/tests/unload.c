/* A program that loads the library by its path, and unloads it with a handle that is still open: its peer is told that
 * it closed, and nothing of what is gone is called afterwards. */
#include "check.h"

#include <dlfcn.h>

/* ISO C has no conversion between addresses of data and of code; POSIX has. */
#define LOAD(function, name) *(void **)(&(function)) = dlsym(library, name)

int main(int count, char **arguments) {
    char bytes[8];
    ringmain_options options = options_of(4096);
    int (*attach_there)(uint32_t, const char *, const ringmain_options *, ringmain_end **);
    int (*push_there)(ringmain_end *, const void *, size_t, int64_t);
    ringmain_end *tx = NULL;
    CHECK(count > 1);
    options.flags = RINGMAIN_UNLINK_ON_CLOSE;
    ringmain_end *rx = attach(RINGMAIN_MESSAGE_CONSUMER, name_of("unload"), &options);
    options.flags = 0;
    /* Beside the library that this program is linked with. */
    void *library = dlmopen(LM_ID_NEWLM, arguments[1], RTLD_NOW);
    CHECK(library != NULL);
    LOAD(attach_there, "ringmain_attach");
    LOAD(push_there, "ringmain_message_push");
    IS(attach_there(RINGMAIN_MESSAGE_PRODUCER, name_of("unload"), &options, &tx), 0);
    IS(push_there(tx, "last", 4, RINGMAIN_NOW), 0);
    CHECK(dlclose(library) == 0);
    IS(ringmain_peer(rx), RINGMAIN_PEER_CLOSED);
    IS(ringmain_message_pop(rx, bytes, 8, LONG), 4);
    FAILS(ringmain_message_pop(rx, bytes, 8, LONG), -EPIPE, "has closed the ring");
    IS(ringmain_close(rx), 0);
    /* With a thread that sleeps for a descriptor: the library stays, and so does the handle. */
    options.flags = RINGMAIN_UNLINK_ON_CLOSE;
    rx = attach(RINGMAIN_MESSAGE_CONSUMER, name_of("unload-2"), &options);
    options.flags = 0;
    library = dlmopen(LM_ID_NEWLM, arguments[1], RTLD_NOW);
    CHECK(library != NULL);
    int (*readiness_there)(ringmain_end *), (*is_ready_there)(ringmain_end *, size_t), (*close_there)(ringmain_end *);
    LOAD(attach_there, "ringmain_attach");
    LOAD(push_there, "ringmain_message_push");
    LOAD(readiness_there, "ringmain_readiness_fd");
    LOAD(is_ready_there, "ringmain_is_ready");
    LOAD(close_there, "ringmain_close");
    IS(attach_there(RINGMAIN_MESSAGE_PRODUCER, name_of("unload-2"), &options, &tx), 0);
    CHECK(readiness_there(tx) > 2);
    IS(is_ready_there(tx, 1), 1);
    while (push_there(tx, "more", 4, RINGMAIN_NOW) == 0) continue;
    IS(is_ready_there(tx, 1), 0);
    CHECK(dlclose(library) == 0);
    usleep(50000);
    IS(ringmain_peer(rx), RINGMAIN_PEER_ALIVE);
    IS(close_there(tx), 0);
    IS(ringmain_peer(rx), RINGMAIN_PEER_CLOSED);
    IS(ringmain_close(rx), 0);
    return 0;
}
