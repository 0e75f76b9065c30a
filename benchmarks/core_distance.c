/* How far apart two cores are: two threads hand a cache line back and forth.
 *
 * usage: core_distance CORE CORE MILLISECONDS
 * prints the nanoseconds of one way there and back; the median of 32 parts of the time, since either core may be taken away.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PARTS = 32, HANDOVERS_PER_LOOK = 64 };

static _Alignas(128) atomic_uint line; /* odd: the other core's turn */
static atomic_int is_over;

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void pin(int core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    if (sched_setaffinity(0, sizeof cores, &cores)) {
        perror("core_distance: sched_setaffinity");
        exit(2);
    }
}

static void *give_back(void *core) {
    pin(*(int *)core);
    while (!atomic_load(&is_over)) {
        unsigned held = atomic_load(&line);
        if (held & 1) atomic_store(&line, held + 1);
    }
    return NULL;
}

static int compare(const void *left, const void *right) {
    double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

int main(int count, char **words) {
    int cores[2], part;
    double found[PARTS];
    uint64_t part_ns;
    pthread_t other;
    if (count != 4) {
        fprintf(stderr, "usage: core_distance CORE CORE MILLISECONDS\n");
        return 2;
    }
    cores[0] = atoi(words[1]);
    cores[1] = atoi(words[2]);
    part_ns = strtoull(words[3], NULL, 10) * 1000000u / PARTS;
    pin(cores[0]);
    if (pthread_create(&other, NULL, give_back, &cores[1])) return 2;
    for (part = 0; part < PARTS; part++) {
        uint64_t started = now_ns(), handovers = 0, passed;
        do {
            for (unsigned i = 0; i < HANDOVERS_PER_LOOK; i++) {
                unsigned held = atomic_load(&line);
                atomic_store(&line, held + 1);
                while (atomic_load(&line) == held + 1) {
                }
            }
            handovers += HANDOVERS_PER_LOOK;
            passed = now_ns() - started;
        } while (passed < part_ns);
        found[part] = (double)passed / (double)handovers;
    }
    atomic_store(&is_over, 1);
    pthread_join(other, NULL);
    qsort(found, PARTS, sizeof found[0], compare);
    printf("%.0f\n", found[PARTS / 2]);
    return 0;
}
