/* The loops over a layer that stand beside its matrix product, each reading its numbers once, and
   a team of threads that shares loops and products.

   native.py calls them; numerics.py says what each does, and has the same in NumPy for where there
   is no compiler. Written in plain loops for the compiler to turn into vector instructions; nothing
   of Python's is needed to build it. */

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && defined(__x86_64__)
/* Compiled for three generations of processors; the one that runs it chooses. */
#define INLINE static inline __attribute__((always_inline))
#define WIDE "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
#define LOOP(name)                                                                                 \
    __attribute__((target(WIDE))) static void name##_512(const Loop *p, int part, long first,      \
                                                         long last)                                \
    {                                                                                              \
        name##_loop(p, part, first, last);                                                         \
    }                                                                                              \
    __attribute__((target("avx2,fma"))) static void name##_256(const Loop *p, int part,            \
                                                               long first, long last)              \
    {                                                                                              \
        name##_loop(p, part, first, last);                                                         \
    }                                                                                              \
    static void name##_range(const Loop *p, int part, long first, long last)                       \
    {                                                                                              \
        if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")               \
            && __builtin_cpu_supports("avx512vl"))                                                 \
            name##_512(p, part, first, last);                                                      \
        else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))                  \
            name##_256(p, part, first, last);                                                      \
        else                                                                                       \
            name##_loop(p, part, first, last);                                                     \
    }                                                                                              \
    PART(name)
#else
#define INLINE static inline
#define LOOP(name)                                                                                 \
    static void name##_range(const Loop *p, int part, long first, long last)                       \
    {                                                                                              \
        name##_loop(p, part, first, last);                                                         \
    }                                                                                              \
    PART(name)
#endif
#define PART(name)                                                                                 \
    static void name##_part(const void *task, int part, int parts)                                 \
    {                                                                                              \
        const Loop *p = task;                                                                      \
        name##_range(p, part, start_of(part, parts, p->columns),                                   \
                     start_of(part + 1, parts, p->columns));                                       \
    }

/* -- the team ----------------------------------------------------------------------------------

   A task is cut into as many parts as its caller wants threads. What a part is depends on nothing
   else, and not on which thread does it: so a result depends on that number alone, whatever other
   callers want; a thread that is late, or could not be started, costs time and changes nothing. */

typedef void Work(const void *task, int part, int parts);

#define LARGEST_TEAM 64
/* Looks at the ticket before a thread goes to sleep, or lets others have its core: some tenths of
   a millisecond, longer than a learner takes from one task to the next. */
#define PATIENCE 10000

static _Thread_local int size = 1; /* of the tasks of one caller */
static int started = 1;
static Work *work;
static const void *task;
static int parts_in_all;
static _Atomic uint64_t ticket; /* a task's number, times 256, and its parts nobody has begun */
static atomic_int undone, sleepers;
static atomic_flag busy = ATOMIC_FLAG_INIT;
static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t bell = PTHREAD_COND_INITIALIZER;

static inline void pause_a_little(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Does a part of the present task that nobody has begun, if there is one. */
static int help(void)
{
    uint64_t seen = atomic_load(&ticket);
    int part = seen & 255;
    if (!part)
        return 0;
    if (atomic_compare_exchange_strong(&ticket, &seen, seen - 1)) {
        work(task, part, parts_in_all);
        atomic_fetch_sub(&undone, 1);
    }
    return 1;
}

static void *member(void *unused)
{
    for (long looks = 0;; looks++) {
        if (help())
            looks = 0;
        else if (looks < PATIENCE)
            pause_a_little();
        else {
            pthread_mutex_lock(&door);
            atomic_fetch_add(&sleepers, 1);
            while (!(atomic_load(&ticket) & 255))
                pthread_cond_wait(&bell, &door);
            atomic_fetch_sub(&sleepers, 1);
            pthread_mutex_unlock(&door);
            looks = 0;
        }
    }
    return unused;
}

/* Each part once, the first by the caller; returns when all are done. */
static void share(Work *of_part, const void *of_task)
{
    if (size == 1 || atomic_flag_test_and_set(&busy)) { /* the team has a task of another caller */
        for (int part = 0; part < size; part++)
            of_part(of_task, part, size);
        return;
    }
    work = of_part;
    task = of_task;
    parts_in_all = size;
    atomic_store(&undone, size - 1);
    atomic_store(&ticket, ((atomic_load(&ticket) >> 8) + 1) << 8 | (uint64_t)(size - 1));
    if (atomic_load(&sleepers)) {
        pthread_mutex_lock(&door);
        pthread_cond_broadcast(&bell);
        pthread_mutex_unlock(&door);
    }
    of_part(of_task, 0, size);
    for (long looks = 0; atomic_load(&undone); looks++)
        if (!help()) {
            if (looks < PATIENCE)
                pause_a_little();
            else
                sched_yield();
        }
    atomic_flag_clear(&busy);
}

/* A process that was forked has no thread but its first. */
static void forked(void)
{
    started = 1;
    atomic_store(&ticket, 0);
    atomic_store(&sleepers, 0);
    atomic_flag_clear(&busy);
    pthread_mutex_init(&door, NULL);
    pthread_cond_init(&bell, NULL);
}

/* From now on the caller's tasks have so many parts, and as many threads if the system gives them. */
void team(int wanted)
{
    static int prepared = 0;
    sigset_t all, before;
    pthread_t thread;
    size = wanted < 1 ? 1 : wanted > LARGEST_TEAM ? LARGEST_TEAM : wanted;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for Python's threads */
    pthread_mutex_lock(&door);
    if (!prepared)
        prepared = !pthread_atfork(NULL, NULL, forked);
    while (started < size && !pthread_create(&thread, NULL, member, NULL)) {
        pthread_detach(thread);
        started++;
    }
    pthread_mutex_unlock(&door);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Where a part begins in n units: at a multiple of a cache line of floats, in each row. */
static inline long start_of(int part, int parts, long n)
{
    long start = (n * part / parts + 15) / 16 * 16;
    return start < n ? start : n;
}

/* -- loops ---------------------------------------------------------------------------------------

   Each goes over the columns of its part in every row. */

#define LANES 32
#define SEED_WORDS (3 * LANES)

typedef struct {
    float *out, *other, *third, *fourth; /* of the same shape, or one row of biases */
    long rows, columns, out_step, other_step, third_step, fourth_step;
    float number, keep;
    const uint32_t *seed; /* SEED_WORDS for each part */
    double *sums;         /* one for each part */
    const void *cases;    /* of `take` alone, with the two below */
    const int64_t *chosen;
    int bytes;
    long units; /* of `log_sums` alone */
} Loop;

/* exp(y) = 2^n exp(r) with n whole and |r| <= log(2) / 2, and exp(r) from its series; beyond -87
   and 87, near the ends of float32, it stays. What is not a number stays so. */
INLINE float exponential(float y)
{
    const float round = 12582912; /* 1.5 * 2^23: sums with it have no digits behind the point */
    y = y > 87 ? 87 : y;
    y = y < -87 ? -87 : y;
    float shifted = y * 1.44269504f + round, n = shifted - round;
    float r = (y - n * 0.693145752f) - n * 1.42860677e-6f; /* log(2) in two parts */
    float series = 1 + r * (1 + r * (1 / 2.f + r * (1 / 6.f + r * (1 / 24.f + r * (1 / 120.f
                   + r * (1 / 720.f + r * (1 / 5040.f)))))));
    uint32_t bits;
    memcpy(&bits, &shifted, 4);
    bits = (bits + 127) << 23; /* n as the exponent of a float */
    float power;
    memcpy(&power, &bits, 4);
    return series * power;
}

INLINE float logistic(float x, float sign)
{
    return sign / (1 + exponential(-x));
}

/* Random numbers of 32 generators side by side: sfc32 of Chris Doty-Humphrey's PractRand. */
typedef struct {
    uint32_t a[LANES], b[LANES], c[LANES], counter;
} Generators;

INLINE uint32_t draw(Generators *g, long k)
{
    uint32_t result = g->a[k] + g->b[k] + g->counter, c = g->c[k];
    g->a[k] = g->b[k] ^ (g->b[k] >> 9);
    g->b[k] = c + (c << 3);
    g->c[k] = ((c << 21) | (c >> 11)) + result;
    return result;
}

INLINE Generators begin(const uint32_t *seed)
{
    Generators g = {.counter = 1};
    memcpy(g.a, seed, sizeof g.a);
    memcpy(g.b, seed + LANES, sizeof g.b);
    memcpy(g.c, seed + 2 * LANES, sizeof g.c);
    for (int round = 0; round < 12; round++, g.counter++)
        for (long k = 0; k < LANES; k++)
            draw(&g, k);
    return g;
}

/* 1 with a probability, by a uniform draw in [0, 1) of 48 bits: a unit's own 24, and 24 of what the
   next draw is made from. These count where the first leave it open, and there the difference is
   exact. */
INLINE float state(float prob, Generators *g, long k)
{
    uint32_t first = draw(g, k) >> 8, second = g->a[k] >> 8;
    return prob - first * 5.9604645e-8f > second * 3.5527137e-15f; /* 2^-24 and 2^-48 */
}

INLINE void probs_loop(const Loop *p, int part, long first, long last)
{
    const float *restrict bias = p->other;
    for (long i = 0; i < p->rows; i++) {
        float *restrict units = p->out + i * p->out_step;
        for (long j = first; j < last; j++)
            units[j] = logistic(units[j] + bias[j], p->number);
    }
}
LOOP(probs)

void probs(float *bias, float *units, long rows, long columns, long step, float sign)
{
    Loop p = {units, bias, .rows = rows, .columns = columns, .out_step = step, .number = sign};
    share(probs_part, &p);
}

INLINE void lessen_loop(const Loop *p, int part, long first, long last)
{
    const float *restrict shares = p->other;
    for (long i = 0; i < p->rows; i++) {
        float *restrict probs = p->out + i * p->out_step;
        for (long j = first; j < last; j++)
            probs[j] -= shares[j] * (probs[j] * (1 - probs[j]));
    }
}
LOOP(lessen)

void lessen(float *shares, float *probs, long rows, long columns, long step)
{
    Loop p = {probs, shares, .rows = rows, .columns = columns, .out_step = step};
    share(lessen_part, &p);
}

INLINE void states_lanes(float *restrict units, const float *restrict bias, Generators *restrict g,
                         long width)
{
    for (long k = 0; k < width; k++)
        units[k] = state(logistic(units[k] + bias[k], 1), g, k);
    g->counter++;
}

INLINE void states_loop(const Loop *p, int part, long first, long last)
{
    Generators g = begin(p->seed + part * SEED_WORDS);
    for (long i = 0; i < p->rows; i++) {
        float *units = p->out + i * p->out_step;
        long j = first;
        for (; j + LANES <= last; j += LANES)
            states_lanes(units + j, p->other + j, &g, LANES);
        if (j < last)
            states_lanes(units + j, p->other + j, &g, last - j);
    }
}
LOOP(states)

void states(float *bias, float *units, long rows, long columns, long step,
            const uint32_t *seed)
{
    Loop p = {units, bias, .rows = rows, .columns = columns, .out_step = step, .seed = seed};
    share(states_part, &p);
}

INLINE void both_lanes(float *restrict units, const float *restrict bias, float *restrict states,
                       Generators *restrict g, long width)
{
    for (long k = 0; k < width; k++) {
        float prob = logistic(units[k] + bias[k], 1);
        units[k] = prob;
        states[k] = state(prob, g, k);
    }
    g->counter++;
}

INLINE void both_loop(const Loop *p, int part, long first, long last)
{
    Generators g = begin(p->seed + part * SEED_WORDS);
    for (long i = 0; i < p->rows; i++) {
        float *units = p->out + i * p->out_step, *states = p->third + i * p->third_step;
        long j = first;
        for (; j + LANES <= last; j += LANES)
            both_lanes(units + j, p->other + j, states + j, &g, LANES);
        if (j < last)
            both_lanes(units + j, p->other + j, states + j, &g, last - j);
    }
}
LOOP(both)

void both(float *bias, float *units, long rows, long columns, long step, float *states,
          long states_step, const uint32_t *seed)
{
    Loop p = {units, bias, states, .rows = rows, .columns = columns, .out_step = step,
              .third_step = states_step, .seed = seed};
    share(both_part, &p);
}

INLINE void choose_lanes(const float *restrict probs, float *restrict out, Generators *restrict g,
                         long width)
{
    for (long k = 0; k < width; k++)
        out[k] = state(probs[k], g, k);
    g->counter++;
}

INLINE void choose_loop(const Loop *p, int part, long first, long last)
{
    Generators g = begin(p->seed + part * SEED_WORDS);
    for (long i = 0; i < p->rows; i++) {
        const float *probs = p->other + i * p->other_step;
        float *out = p->out + i * p->out_step;
        long j = first;
        for (; j + LANES <= last; j += LANES)
            choose_lanes(probs + j, out + j, &g, LANES);
        if (j < last)
            choose_lanes(probs + j, out + j, &g, last - j);
    }
}
LOOP(choose)

void choose(float *probs, long rows, long columns, long step, float *out, long out_step,
            const uint32_t *seed)
{
    Loop p = {out, probs, .rows = rows, .columns = columns, .out_step = out_step,
              .other_step = step, .seed = seed};
    share(choose_part, &p);
}

/* Each is kept with a probability, and then divided by it: else 0. */
INLINE void drop_lanes(float *restrict units, float keep, Generators *restrict g, long width)
{
    float factor = 1 / keep;
    for (long k = 0; k < width; k++)
        units[k] *= state(keep, g, k) * factor;
    g->counter++;
}

INLINE void drop_loop(const Loop *p, int part, long first, long last)
{
    Generators g = begin(p->seed + part * SEED_WORDS);
    for (long i = 0; i < p->rows; i++) {
        float *units = p->out + i * p->out_step;
        long j = first;
        for (; j + LANES <= last; j += LANES)
            drop_lanes(units + j, p->number, &g, LANES);
        if (j < last)
            drop_lanes(units + j, p->number, &g, last - j);
    }
}
LOOP(drop)

void drop(float *units, long rows, long columns, long step, float keep, const uint32_t *seed)
{
    Loop p = {units, .rows = rows, .columns = columns, .out_step = step, .number = keep,
              .seed = seed};
    share(drop_part, &p);
}

INLINE void move_loop(const Loop *p, int part, long first, long last)
{
    float shrink = p->number;
    for (long i = 0; i < p->rows; i++) {
        float *restrict parameter = p->out + i * p->out_step;
        float *restrict velocity = p->other + i * p->out_step;
        if (shrink == 0) { /* a quarter less to write */
            for (long j = first; j < last; j++)
                parameter[j] += velocity[j];
            continue;
        }
        for (long j = first; j < last; j++) {
            velocity[j] -= shrink * parameter[j];
            parameter[j] += velocity[j];
        }
    }
}
LOOP(move)

void move(float *parameter, float *velocity, float shrink, long n)
{
    Loop p = {parameter, velocity, .rows = 1, .columns = n, .number = shrink};
    share(move_part, &p);
}

INLINE void blend_loop(const Loop *p, int part, long first, long last)
{
    const float *restrict values = p->other;
    float *restrict mean = p->out, share_of_values = p->number;
    for (long i = first; i < last; i++)
        mean[i] += share_of_values * (values[i] - mean[i]);
}
LOOP(blend)

void blend(float *mean, float *values, float share_of_values, long n)
{
    Loop p = {mean, values, .rows = 1, .columns = n, .number = share_of_values};
    share(blend_part, &p);
}

INLINE void slope_loop(const Loop *p, int part, long first, long last)
{
    float *restrict delta = p->out, keep = p->number;
    const float *restrict probs = p->other;
    for (long i = first; i < last; i++)
        delta[i] *= probs[i] * (1 - keep * probs[i]);
}
LOOP(slope)

void slope(float *delta, float *probs, float keep, long n)
{
    Loop p = {delta, probs, .rows = 1, .columns = n, .number = keep};
    share(slope_part, &p);
}

/* Column sums, four rows at a time for the sums to be read and written less often. */
#define STRIP 512

/* The velocity takes up what was summed, and moves the parameter if there is one. */
INLINE void step_by(const Loop *p, long strip, long width, const float *restrict sums)
{
    float *restrict velocity = p->other + strip;
    for (long j = 0; j < width; j++)
        velocity[j] = (p->keep ? p->keep * velocity[j] : 0) + p->number * sums[j];
    if (p->third)
        for (long j = 0; j < width; j++)
            p->third[strip + j] += velocity[j];
}

INLINE void sums_loop(const Loop *p, int part, long first, long last)
{
    float sums[STRIP];
    for (long strip = first; strip < last; strip += STRIP) {
        long width = last - strip < STRIP ? last - strip : STRIP, i = 0;
        memset(sums, 0, sizeof sums);
        for (; i + 4 <= p->rows; i += 4) {
            const float *a = p->out + i * p->out_step + strip, *b = a + p->out_step;
            const float *c = b + p->out_step, *d = c + p->out_step;
            for (long j = 0; j < width; j++)
                sums[j] += (a[j] + b[j]) + (c[j] + d[j]);
        }
        for (; i < p->rows; i++)
            for (long j = 0; j < width; j++)
                sums[j] += p->out[i * p->out_step + strip + j];
        step_by(p, strip, width, sums);
    }
}
LOOP(sums)

void sums(float *deltas, long rows, long columns, long step, float *velocity, float *parameter,
          float scale, float keep)
{
    Loop p = {deltas, velocity, parameter, .rows = rows, .columns = columns, .out_step = step,
              .number = scale, .keep = keep};
    share(sums_part, &p);
}

/* Columns whose length is more than `number` become that long. */
INLINE void limit_loop(const Loop *p, int part, long first, long last)
{
    float squares[STRIP];
    for (long strip = first; strip < last; strip += STRIP) {
        long width = last - strip < STRIP ? last - strip : STRIP, i = 0;
        int longer = 0;
        memset(squares, 0, sizeof squares);
        for (; i + 2 <= p->rows; i += 2) {
            const float *a = p->out + i * p->out_step + strip, *b = a + p->out_step;
            for (long j = 0; j < width; j++)
                squares[j] += a[j] * a[j] + b[j] * b[j];
        }
        for (long j = 0; i < p->rows && j < width; j++)
            squares[j] += p->out[i * p->out_step + strip + j] * p->out[i * p->out_step + strip + j];
        for (long j = 0; j < width; j++) {
            int over = squares[j] > p->number * p->number;
            longer |= over;
            squares[j] = over ? p->number / sqrtf(squares[j]) : 1;
        }
        for (i = 0; longer && i < p->rows; i++) {
            float *restrict row = p->out + i * p->out_step + strip;
            for (long j = 0; j < width; j++)
                row[j] *= squares[j];
        }
    }
}
LOOP(limit)

void limit(float *weights, long rows, long columns, long step, float longest)
{
    Loop p = {weights, .rows = rows, .columns = columns, .out_step = step, .number = longest};
    share(limit_part, &p);
}

INLINE void differences_loop(const Loop *p, int part, long first, long last)
{
    float sums[STRIP], squares[STRIP];
    for (long strip = first; strip < last; strip += STRIP) {
        long width = last - strip < STRIP ? last - strip : STRIP, i = 0;
        memset(sums, 0, sizeof sums);
        memset(squares, 0, sizeof squares);
        for (; i + 2 <= p->rows; i += 2) {
            const float *a = p->out + i * p->out_step + strip, *b = a + p->out_step;
            const float *c = p->fourth + i * p->fourth_step + strip, *d = c + p->fourth_step;
            for (long j = 0; j < width; j++) {
                float one = a[j] - c[j], other = b[j] - d[j];
                sums[j] += one + other;
                squares[j] += one * one + other * other;
            }
        }
        const float *a = p->out + i * p->out_step + strip;
        const float *c = p->fourth + i * p->fourth_step + strip;
        for (long j = 0; i < p->rows && j < width; j++) {
            float one = a[j] - c[j];
            sums[j] += one;
            squares[j] += one * one;
        }
        step_by(p, strip, width, sums);
        for (long j = 0; j < width; j++)
            p->sums[part] += squares[j];
    }
}
LOOP(differences)

/* Returns the sum of the squares. */
double differences(float *data, long rows, long columns, long step, float *recon, long recon_step,
                   float *velocity, float *parameter, float scale, float keep)
{
    double sums[LARGEST_TEAM] = {0};
    Loop p = {data, velocity, parameter, recon, rows, columns, .out_step = step,
              .fourth_step = recon_step, .number = scale, .keep = keep, .sums = sums};
    share(differences_part, &p);
    for (int part = 1; part < LARGEST_TEAM; part++)
        sums[0] += sums[part];
    return sums[0];
}

/* Rows that lie apart: memory is asked for each while rows before it are copied. */
#define AHEAD 4

INLINE const char *row_of(const Loop *p, long i)
{
    int64_t at = p->chosen[i < p->rows ? i : p->rows - 1];
    return (const char *)p->cases + at * p->columns * p->bytes;
}

INLINE void take_loop(const Loop *p, int part, long first, long last)
{
    for (long i = 0; i < p->rows; i++) {
        const char *row = row_of(p, i), *later = row_of(p, i + AHEAD);
        for (const char *c = later + first * p->bytes; c < later + last * p->bytes; c += 64)
            __builtin_prefetch(c);
        float *restrict out = p->out + i * p->out_step;
        if (p->bytes == 4)
            memcpy(out + first, row + 4 * first, 4 * (last - first));
        else
            for (long j = first; j < last; j++)
                out[j] = ((const uint8_t *)row)[j] * (1 / 255.f);
    }
}
LOOP(take)

/* Returns whether it was done: if all that were chosen are there. */
int take(void *cases, int bytes, long n_cases, const int64_t *chosen, float *out, long rows,
         long columns, long step)
{
    Loop p = {out, .rows = rows, .columns = columns, .out_step = step, .cases = cases,
              .chosen = chosen, .bytes = bytes};
    for (long i = 0; i < rows; i++)
        if (chosen[i] < 0 || chosen[i] >= n_cases)
            return 0;
    share(take_part, &p);
    return 1;
}

/* -- distorted images ------------------------------------------------------------------------------

   Little work beside that of learning them: not shared. Numbers are whole, and so the same as
   NumPy's. */

INLINE int place_of(float displacement, int at, int size)
{
    float limit = 256 * (size + 1), place = displacement * 256 + 0.5f;
    place = place < -limit ? -limit : place > limit ? limit : place;
    int whole = (int)place;
    whole += 256 * at - (whole > place); /* rounded down */
    return whole < -256 ? -256 : whole > 256 * size ? 256 * size : whole;
}

/* Images in a frame of zeros, one pixel wide above and on the left, two below and on the right. */
void resample(const uint8_t *framed, const float *field, uint8_t *out, long n, long rows,
              long columns)
{
    long step = columns + 3, size = rows * columns;
    for (long i = 0; i < n; i++, framed += (rows + 3) * step, field += 2 * size)
        for (int r = 0, k = 0; r < rows; r++)
            for (int c = 0; c < columns; c++, k++) {
                int y = place_of(field[k], r, rows), x = place_of(field[size + k], c, columns);
                const uint8_t *p = framed + ((y >> 8) + 1) * step + (x >> 8) + 1;
                y &= 255;
                x &= 255;
                *out++ = ((256 - y) * ((256 - x) * p[0] + x * p[1])
                          + y * ((256 - x) * p[step] + x * p[step + 1]) + (1 << 15)) >> 16;
            }
}

/* -- matrix products ---------------------------------------------------------------------------

   cblas_sgemm of a BLAS whose integers have 32 bits, or of one whose integers have 64. */

typedef void Gemm(int, int, int, int, int, int, float, const float *, int, const float *, int,
                  float, float *, int);
typedef void WideGemm(int, int, int, int64_t, int64_t, int64_t, float, const float *, int64_t,
                      const float *, int64_t, float, float *, int64_t);

typedef struct {
    void *gemm;
    const float *left, *right;
    float *out, *parameter;
    int wide, left_turned, left_step, right_turned, right_step, m, k, n;
    float scale, keep, shrink;
} Product;

/* The parameter by what came out, a velocity, while that is near. */
static void move_by(const Product *p, int by_rows, int first, int many)
{
    long start = by_rows ? (long)first * p->n : first;
    Loop all = {p->parameter + start, p->out + start, .rows = by_rows ? 1 : p->m,
                .out_step = p->n, .number = p->shrink};
    move_range(&all, 0, 0, by_rows ? (long)many * p->n : many);
}

/* Rows of a gradient's product, which has more of them than a batch, else columns: either way the
   larger factor is read in parts. */
static void product_part(const void *task, int part, int parts)
{
    const Product *p = task;
    int by_rows = p->left_turned || p->m > p->n;
    int first = start_of(part, parts, by_rows ? p->m : p->n);
    int many = start_of(part + 1, parts, by_rows ? p->m : p->n) - first;
    int m = by_rows ? many : p->m, n = by_rows ? p->n : many;
    int left_order = 111 + p->left_turned, right_order = 111 + p->right_turned;
    const float *left = p->left, *right = p->right;
    float *out = p->out;
    if (!many)
        return;
    if (by_rows) {
        left += p->left_turned ? first : (long)first * p->left_step;
        out += (long)first * p->n;
    } else {
        right += p->right_turned ? (long)first * p->right_step : first;
        out += first;
    }
    if (p->wide)
        ((WideGemm *)p->gemm)(101, left_order, right_order, m, n, p->k, p->scale, left,
                              p->left_step, right, p->right_step, p->keep, out, p->n);
    else
        ((Gemm *)p->gemm)(101, left_order, right_order, m, n, p->k, p->scale, left, p->left_step,
                          right, p->right_step, p->keep, out, p->n);
    if (p->parameter)
        move_by(p, by_rows, first, many);
}

/* out (m, n) = scale * left (m, k) * right (k, n) + keep * out, by the BLAS that is given; then, if
   there is a parameter, `move` of it by `out`. */
void multiply(void *gemm, int wide, const float *left, int left_turned, int left_step,
              const float *right, int right_turned, int right_step, float *out, int m, int k, int n,
              float scale, float keep, float *parameter, float shrink)
{
    Product p = {gemm, left, right, out, parameter, wide, left_turned, left_step, right_turned,
                 right_step, m, k, n, scale, keep, shrink};
    share(product_part, &p);
}

/* -- sums of log(1 + factor * other) --------------------------------------------------------------

   Over the units, of every row of factors with every row of others. A logarithm of each term would
   take most of the time: their mantissas, below 2, are multiplied instead and their exponents
   added, and the logarithm is that of the product. */

/* Terms of a lane, whose mantissas' product is below 2^64. */
#define CHAIN 64

typedef struct {
    float mantissas[LANES];
    int32_t exponents[LANES];
    uint32_t largest[LANES]; /* as bits: all of them are positive */
} Logs;

/* Multiplies into the mantissas, and adds to the exponents. */
INLINE void gather(Logs *restrict logs, long k, float term)
{
    uint32_t bits;
    memcpy(&bits, &term, 4);
    logs->largest[k] = bits > logs->largest[k] ? bits : logs->largest[k];
    logs->exponents[k] += (int32_t)(bits >> 23) - 127;
    bits = (bits & 0x7fffff) | 0x3f800000;
    memcpy(&term, &bits, 4);
    logs->mantissas[k] *= term;
}

INLINE void log_sums_lanes(const float *restrict factors, const float *restrict others,
                           float *restrict slopes, Logs *restrict logs, long width)
{
    if (slopes)
        for (long k = 0; k < width; k++) {
            float odds = factors[k] * others[k];
            slopes[k] = odds / (1 + odds);
        }
    for (long k = 0; k < width; k++)
        gather(logs, k, 1 + factors[k] * others[k]);
}

/* Every lane's product as one mantissa and the rest of it in the exponent. */
INLINE void settle(Logs *logs)
{
    for (long k = 0; k < LANES; k++) {
        float product = logs->mantissas[k];
        logs->mantissas[k] = 1;
        gather(logs, k, product);
    }
}

INLINE double log_of_all(Logs *logs)
{
    settle(logs);
    for (long half = LANES / 2; half; half /= 2)
        for (long k = 0; k < half; k++) {
            logs->mantissas[k] *= logs->mantissas[k + half];
            logs->exponents[k] += logs->exponents[k + half];
            logs->largest[k] = logs->largest[k] > logs->largest[k + half] ? logs->largest[k]
                                                                         : logs->largest[k + half];
        }
    return logs->exponents[0] * 0.6931471805599453 + log(logs->mantissas[0]);
}

INLINE float log_sum(const Loop *p, const float *factors, const float *others, float *slopes)
{
    Logs logs;
    for (long k = 0; k < LANES; k++) {
        logs.mantissas[k] = 1;
        logs.exponents[k] = logs.largest[k] = 0;
    }
    long j = 0;
    for (long terms = 1; j + LANES <= p->units; j += LANES, terms++) {
        log_sums_lanes(factors + j, others + j, slopes ? slopes + j : 0, &logs, LANES);
        if (terms % CHAIN == 0)
            settle(&logs);
    }
    if (j < p->units)
        log_sums_lanes(factors + j, others + j, slopes ? slopes + j : 0, &logs, p->units - j);
    double sum = log_of_all(&logs);
    if (logs.largest[0] < 0x7f800000)
        return sum;
    for (j = 0, sum = 0; j < p->units; j++) /* infinite, or not a number */
        sum += log(1 + factors[j] * others[j]);
    return sum;
}

/* Columns are cases here, sixteen of them one case, for parts to begin with any. */
INLINE void log_sums_loop(const Loop *p, int part, long first, long last)
{
    for (long i = first / 16; i < last / 16; i++)
        for (long label = 0; label < p->rows; label++)
            p->out[i * p->rows + label] = log_sum(
                p, p->other + i * p->other_step, p->third + label * p->third_step,
                p->fourth ? p->fourth + label * p->fourth_step + i * p->units : 0);
}
LOOP(log_sums)

void log_sums(float *factors, long cases, long units, long step, float *others, long labels,
              long others_step, float *out, float *slopes, long slopes_step)
{
    Loop p = {out, factors, others, slopes, .rows = labels, .columns = 16 * cases,
              .other_step = step, .third_step = others_step, .fourth_step = slopes_step,
              .units = units};
    share(log_sums_part, &p);
}

/* -- a softmax group -------------------------------------------------------------------------------

   A few units of each case: too little work to share. */

INLINE float largest_of(const float *units, long columns)
{
    float largest = units[0];
    for (long k = 1; k < columns; k++)
        largest = units[k] > largest ? units[k] : largest;
    return largest;
}

/* Probabilities from total inputs without biases. */
void softmax(const float *bias, float *units, long rows, long columns, long step)
{
    for (long i = 0; i < rows; i++, units += step) {
        for (long k = 0; k < columns; k++)
            units[k] += bias[k];
        float largest = largest_of(units, columns), sum = 0;
        for (long k = 0; k < columns; k++)
            sum += units[k] = exponential(units[k] - largest);
        for (long k = 0; k < columns; k++)
            units[k] /= sum;
    }
}

/* Log probabilities from total inputs, without biases if there are any. */
void log_softmax(const float *bias, float *units, long rows, long columns, long step)
{
    for (long i = 0; i < rows; i++, units += step) {
        for (long k = 0; bias && k < columns; k++)
            units[k] += bias[k];
        float largest = largest_of(units, columns), sum = 0;
        for (long k = 0; k < columns; k++) {
            units[k] -= largest;
            sum += exponential(units[k]);
        }
        float log_of_sum = log(sum);
        for (long k = 0; k < columns; k++)
            units[k] -= log_of_sum;
    }
}

/* errors = case weight * (target - probability), costs = -log p(label). Returns whether it was
   done: if there is every label. */
int label_errors(const float *log_probs, long rows, long columns, long step, const uint8_t *labels,
                 const float *case_weights, float *errors, long errors_step, float *costs)
{
    for (long i = 0; i < rows; i++)
        if (labels[i] >= columns)
            return 0;
    for (long i = 0; i < rows; i++, log_probs += step, errors += errors_step) {
        for (long k = 0; k < columns; k++)
            errors[k] = case_weights[i] * ((k == labels[i]) - exponential(log_probs[k]));
        costs[i] = -log_probs[labels[i]];
    }
    return 1;
}
