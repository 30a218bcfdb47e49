/* What the tests in C share: checks that say what was expected, names of rings, and children that are waited for. It is
 * C99, C11, C17 and C++17 at once. */
#ifndef CHECK_H
#define CHECK_H

#include <dirent.h>
#include <fcntl.h>
#include <ringmain.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ends the test, unless it holds. */
#define CHECK(condition)                                                                                \
    do {                                                                                                \
        if (!(condition)) {                                                                             \
            fprintf(stderr, "%s:%d: %s does not hold; last error: %s\n", __FILE__, __LINE__, #condition, \
                    ringmain_last_error());                                                             \
            exit(1);                                                                                    \
        }                                                                                               \
    } while (0)

/* Ends the test, unless a call returns this. */
#define IS(call, expected)                                                                                         \
    do {                                                                                                           \
        const long long found_ = (long long)(call), expected_ = (long long)(expected);                             \
        if (found_ != expected_) {                                                                                 \
            fprintf(stderr, "%s:%d: %s is %lld, expected %lld; last error: %s\n", __FILE__, __LINE__, #call, found_, \
                    expected_, ringmain_last_error());                                                             \
            exit(1);                                                                                               \
        }                                                                                                          \
    } while (0)

/* Ends the test, unless a call fails by this code and in these words. */
#define FAILS(call, code, words)                                                                                     \
    do {                                                                                                             \
        IS(call, code);                                                                                              \
        if (strstr(ringmain_last_error(), words) == NULL) {                                                          \
            const char *said_ = ringmain_last_error();                                                               \
            fprintf(stderr, "%s:%d: %s says %s, expected %s\n", __FILE__, __LINE__, #call, said_, words);             \
            exit(1);                                                                                                 \
        }                                                                                                            \
    } while (0)

#define MS ((int64_t)1000000)
#define SOON (2 * MS)
/* Longer than any wait of a test that succeeds. */
#define LONG (30000 * MS)

/* A name that no other test has now. */
static inline const char *name_of(const char *what) {
    static char name[64];
    snprintf(name, sizeof name, "c-%ld-%s", (long)getpid(), what);
    return name;
}

static inline ringmain_options options_of(size_t capacity) {
    ringmain_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.capacity = capacity;
    return options;
}

/* Options of a ring of 64-bit numbers. */
static inline ringmain_options numbers_of(size_t capacity) {
    ringmain_options options = options_of(capacity);
    options.element_size = sizeof(uint64_t);
    options.element_align = RINGMAIN_ALIGNOF(uint64_t);
    return options;
}

static inline ringmain_end *attach(uint32_t which, const char *name, const ringmain_options *options) {
    ringmain_end *end = NULL;
    IS(ringmain_attach(which, name, options, &end), 0);
    CHECK(end != NULL);
    return end;
}

/* Returns whether a thread of this process sleeps, or is gone. */
static inline int sleeps(const char *thread) {
    char path[300], text[200];
    const char *name_end;
    ssize_t len;
    int file;
    snprintf(path, sizeof path, "/proc/self/task/%s/stat", thread);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 1;
    len = read(file, text, sizeof text - 1);
    close(file);
    if (len <= 0) return 1;
    text[len] = 0;
    name_end = strrchr(text, ')');
    return name_end != NULL && name_end[1] == ' ' && name_end[2] == 'S';
}

/* Forks once all other threads sleep, so that none is in the midst of an allocation; after a while, in any case. The
 * allocator of the C library can be forked at any time, those of sanitizers cannot. */
static inline pid_t fork_among_sleepers(void) {
    int times = 0, tries;
    for (tries = 0; tries < 1000 && times < 3; tries++) {
        DIR *threads = opendir("/proc/self/task");
        struct dirent *thread;
        int all = 1;
        CHECK(threads != NULL);
        while ((thread = readdir(threads)) != NULL)
            if (thread->d_name[0] != '.' && atoi(thread->d_name) != getpid()) all &= sleeps(thread->d_name);
        closedir(threads);
        times = all ? times + 1 : 0;
        usleep(200);
    }
    return fork();
}

/* Waits for a child, and returns its exit status, or 128 and the signal that ended it. */
static inline int ended(pid_t child) {
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
