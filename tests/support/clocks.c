/* Intercepts, by LD_PRELOAD, the calls of a program that read a clock: the wall clock can be set ahead or back, and
   the monotonic clock be stopped, while the program runs. A test writes both into the file that CLOCKS_FILE names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct hands {
    volatile long long ahead;   /* seconds that the wall clock is ahead */
    volatile long long stopped; /* 1: the monotonic clock is stopped */
};

static int (*asked)(clockid_t, struct timespec *);
static struct hands *hands;
static struct timespec stood;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("CLOCKS_FILE");
    int file = name ? open(name, O_RDONLY) : -1;
    asked = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (file >= 0) {
        void *map = mmap(NULL, sizeof *hands, PROT_READ, MAP_SHARED, file, 0);
        if (map != MAP_FAILED) hands = map;
        close(file);
    }
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!asked) asked = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = asked(clock, time);
    if (failed || !hands) return failed;
    if (clock == CLOCK_REALTIME) time->tv_sec += hands->ahead;
    if (clock == CLOCK_BOOTTIME) {
        if (hands->stopped) *time = stood;
        else stood = *time;
    }
    return 0;
}

/* PostgreSQL's wall clock. */
int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}
