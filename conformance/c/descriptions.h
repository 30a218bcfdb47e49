/* Reads the descriptions of conformance/golden, has their steps played, and compares the bytes that a ring holds then:
 * what README.md says of them, once more in C. Whoever includes this plays the steps: the peer of this folder
 * (golden.c), and the library for C (capi/tests/golden.c). It is C99, C11, C17 and C++17 at once. */
#ifndef DESCRIPTIONS_H
#define DESCRIPTIONS_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEP_WORDS = 12, LARGEST_RING = 1 << 16, LARGEST_ITEM = 256 };

/* Plays one step, a command of the protocol cut into words, and writes what is answered: `ok ...` or `err KIND`. */
typedef void step_of(bool consumer, char **words, int count, char *answer, size_t size);

/* Ends the program, and names what it was about. */
static void give_up(const char *what, const char *of) {
    fprintf(stderr, "golden: %s: %s\n", of, what);
    exit(1);
}

/* Reads a file as a whole, with a 0 behind it, and returns its length. */
static size_t read_whole(const char *path, char *bytes, size_t size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) give_up("it cannot be read", path);
    const size_t length = fread(bytes, 1, size - 1, file);
    if (length == size - 1) give_up("it is longer than was expected", path);
    fclose(file);
    bytes[length] = 0;
    return length;
}

/* Item `k` of `length` bytes, or of `least` to `most`, as README.md has it under Numbered items. Returns its length. */
static inline size_t numbered_item(uint64_t k, const char *length, char *bytes) {
    const char *dash = strchr(length, '-');
    const uint64_t least = strtoull(length, NULL, 10), most = dash == NULL ? least : strtoull(dash + 1, NULL, 10);
    const uint64_t len = least + (k * 2654435761u & 0xffffffff) / 65536 % (most - least + 1);
    if (len > LARGEST_ITEM) give_up("so long is no item", length);
    for (uint64_t at = 0; at < len; at++) bytes[at] = (char)(k >> 8 * (at % 8));
    return (size_t)len;
}

/* Reads bytes in hex; `-` is none. */
static inline size_t hex_item(const char *hex, char *bytes) {
    const size_t length = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
    if (length > LARGEST_ITEM) give_up("so long is no item", hex);
    for (size_t at = 0; at < length; at++) {
        const char digits[] = {hex[2 * at], hex[2 * at + 1], 0};
        bytes[at] = (char)strtoul(digits, NULL, 16);
    }
    return length;
}

/* Answers with an item that was popped. */
static inline void answer_hex(const char *bytes, size_t length, char *answer, size_t size) {
    size_t at = (size_t)snprintf(answer, size, length == 0 ? "ok -" : "ok ");
    for (size_t byte = 0; byte < length; byte++)
        at += (size_t)snprintf(answer + at, size - at, "%02x", (unsigned char)bytes[byte]);
}

/* Plays one step, `COMMAND -> ANSWER`, and compares the answer as far as it is given. */
static void play_step(bool consumer, char *line, const char *ring, step_of *step) {
    char answer[600] = "", *words[STEP_WORDS], *expected = strstr(line, " -> ");
    int count = 0;
    if (expected == NULL) give_up("a step without an answer", line);
    *expected = 0;
    expected += 4;
    for (char *word = strtok(line, " "); word != NULL && count < STEP_WORDS; word = strtok(NULL, " "))
        words[count++] = strcmp(word, "NAME") == 0 ? (char *)ring : word;
    step(consumer, words, count, answer, sizeof answer);
    if (strcmp(answer, expected) == 0) return;
    fprintf(stderr, "golden: `%s` of the %s is answered with `%s`, expected `%s`\n", words[0],
            consumer ? "consumer" : "producer", answer, expected);
    exit(1);
}

/* Sets to 0 what is not compared. */
static void mask_out(const char *line, char *bytes, size_t length) {
    unsigned long from, to;
    if (sscanf(line, "mask %lx %lx", &from, &to) == 2 && from <= to && to <= length)
        memset(bytes + from, 0, to - from);
    else if (sscanf(line, "lowest %lx", &from) == 1 && from < length)
        bytes[from] &= ~1;
    else if (line[0] != '#')
        give_up("it is neither a step, nor a mask, nor a remark", line);
}

/* Plays one description on a new ring, and returns how many bytes differ from its file; says where. */
static unsigned play_description(const char *folder, const char *name, step_of *step) {
    static char text[LARGEST_RING], found[LARGEST_RING], expected[LARGEST_RING];
    char path[512], ring[64], *rest = text;
    unsigned differ = 0;
    snprintf(ring, sizeof ring, "golden-%ld", (long)getpid());
    snprintf(path, sizeof path, "%s/%s.txt", folder, name);
    read_whole(path, text, sizeof text);
    /* The steps come first. */
    while (rest[0] == '#' || rest[0] == '\n' || rest[0] == 'P' || rest[0] == 'C') {
        char *line = rest;
        rest += strcspn(rest, "\n");
        if (*rest != 0) *rest++ = 0;
        if ((line[0] == 'P' || line[0] == 'C') && line[1] == ' ') play_step(line[0] == 'C', line + 2, ring, step);
    }
    snprintf(path, sizeof path, "/dev/shm/%s", ring);
    const size_t length = read_whole(path, found, sizeof found);
    for (char *line = strtok(rest, "\n"); line != NULL; line = strtok(NULL, "\n")) mask_out(line, found, length);
    snprintf(path, sizeof path, "%s/%s.bin", folder, name);
    if (read_whole(path, expected, sizeof expected) != length) give_up("another length", path);
    for (size_t at = 0; at < length; at++) {
        if (found[at] == expected[at]) continue;
        if (differ++ < 8)
            fprintf(stderr, "golden/%s.txt leaves %02x at 0x%04zx, expected %02x\n", name, (unsigned char)found[at], at,
                    (unsigned char)expected[at]);
    }
    return differ;
}

/* Plays all descriptions of a folder. `leave` gives both ends back, and removes the ring. Returns the exit status. */
static int play_all(const char *folder, step_of *step, void leave(const char *ring)) {
    const uint16_t one = 1;
    char ring[64];
    int played = 0, failed = 0;
    if (*(const char *)&one != 1 || sysconf(_SC_PAGESIZE) != 4096) {
        puts("golden: left out: the files are those of a little-endian machine with pages of 4096 bytes");
        return 0;
    }
    snprintf(ring, sizeof ring, "golden-%ld", (long)getpid());
    DIR *files = opendir(folder);
    if (files == NULL) give_up("no such folder", folder);
    for (struct dirent *file = readdir(files); file != NULL; file = readdir(files)) {
        char name[256];
        const size_t length = strlen(file->d_name);
        if (length < 5 || strcmp(file->d_name + length - 4, ".txt") != 0) continue;
        memcpy(name, file->d_name, length - 4);
        name[length - 4] = 0;
        failed += play_description(folder, name, step) > 0;
        leave(ring);
        played++;
    }
    closedir(files);
    if (played == 0) give_up("it has no descriptions", folder);
    printf("golden: %d rings compared, %d differ\n", played, failed);
    return failed > 0;
}

#endif
