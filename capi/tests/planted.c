/* Mistakes of a program that the checkers must find: capi/check runs each, and fails if nothing is said. */
#include "check.h"

int main(int count, char **arguments) {
    const char *mistake = count > 1 ? arguments[1] : "";
    ringmain_options options = numbers_of(8);
    ringmain_info info;
    ringmain_slots slots;
    uint64_t sum = 0;
    info.size = sizeof info;
    /* Without a name, of which nothing is left when a checker ends this program. */
    ringmain_end *tx = attach(RINGMAIN_STREAM_PRODUCER, NULL, &options);
    options.descriptor = ringmain_descriptor(tx);
    ringmain_end *rx = attach(RINGMAIN_STREAM_CONSUMER, NULL, &options);
    IS(ringmain_end_info(tx, &info), 0);
    IS(ringmain_stream_claim(tx, 4, 4, RINGMAIN_NOW, &slots), 4);
    memset(slots.first, 1, 4 * sizeof(uint64_t));
    if (strcmp(mistake, "askew") == 0) {
        /* An element that begins between two. */
        sum += *(volatile uint64_t *)((char *)slots.first + 1);
    }
    IS(ringmain_stream_commit(tx, 4), 0);
    if (strcmp(mistake, "small") == 0) {
        /* A buffer with room for one, and a pop of four. */
        uint64_t *buffer = (uint64_t *)malloc(sizeof *buffer);
        IS(ringmain_stream_pop(rx, buffer, 4, RINGMAIN_NOW), 4);
        sum += buffer[0];
        free(buffer);
    }
    /* A handle that nobody closes. */
    if (strcmp(mistake, "leak") == 0) rx = NULL;
    IS(ringmain_close(tx), 0);
    /* The name of a ring whose handle is gone. */
    if (strcmp(mistake, "late") == 0) sum += (uint64_t)((const volatile char *)info.name)[0];
    if (rx != NULL) IS(ringmain_close(rx), 0);
    return sum == 42;
}
