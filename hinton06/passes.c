/* The passes over a layer that stand beside its matrix product, each reading its numbers once.

   passes.py says what each does, calls it, and has the same in NumPy for where there is no
   compiler. Written in plain loops for the compiler to turn into vector instructions; nothing of
   Python's is needed to build it. */

#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && defined(__x86_64__)
/* Compiled for three generations of processors; the one that runs it chooses. */
#define INLINE static inline __attribute__((always_inline))
#define WIDE "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
#define EXPORT(name, parameters, arguments)                                                        \
    __attribute__((target(WIDE))) static void name##_512 parameters { name##_loop arguments; }     \
    __attribute__((target("avx2,fma"))) static void name##_256 parameters { name##_loop arguments; } \
    void name parameters                                                                           \
    {                                                                                              \
        if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")               \
            && __builtin_cpu_supports("avx512vl"))                                                 \
            name##_512 arguments;                                                                  \
        else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))                  \
            name##_256 arguments;                                                                  \
        else                                                                                       \
            name##_loop arguments;                                                                 \
    }
#else
#define INLINE static inline
#define EXPORT(name, parameters, arguments) void name parameters { name##_loop arguments; }
#endif

/* 1 / (1 + exp(-x)): exp(-x) = 2^n exp(r) with n whole and |r| <= log(2) / 2, and exp(r) from its
   series. What is not a number stays so. */
INLINE float logistic(float x)
{
    const float round = 12582912; /* 1.5 * 2^23: sums with it have no digits behind the point */
    float y = -x;
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
    return 1 / (1 + series * power);
}

/* Random numbers of 32 generators side by side: sfc32 of Chris Doty-Humphrey's PractRand. */
#define LANES 32
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

/* 1 with a probability, by a uniform draw in [0, 1) of 24 bits. */
INLINE float state(float prob, uint32_t random)
{
    return (random >> 8) * 5.9604645e-8f < prob;
}

INLINE void probs_loop(float *restrict units, const float *restrict bias, long rows, long columns,
                       long stride)
{
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++)
            units[i * stride + j] = logistic(units[i * stride + j] + bias[j]);
}
EXPORT(probs, (float *units, const float *bias, long rows, long columns, long stride),
       (units, bias, rows, columns, stride))

INLINE void states_part(float *restrict units, const float *restrict bias, Generators *restrict g,
                        long width)
{
    for (long k = 0; k < width; k++)
        units[k] = state(logistic(units[k] + bias[k]), draw(g, k));
    g->counter++;
}

INLINE void states_loop(float *units, const float *bias, long rows, long columns, long stride,
                        const uint32_t *seed)
{
    Generators g = begin(seed);
    for (long i = 0; i < rows; i++) {
        long j = 0;
        for (; j + LANES <= columns; j += LANES)
            states_part(units + i * stride + j, bias + j, &g, LANES);
        if (j < columns)
            states_part(units + i * stride + j, bias + j, &g, columns - j);
    }
}
EXPORT(states, (float *units, const float *bias, long rows, long columns, long stride,
                const uint32_t *seed), (units, bias, rows, columns, stride, seed))

INLINE void choose_part(const float *restrict probs, float *restrict out, Generators *restrict g,
                        long width)
{
    for (long k = 0; k < width; k++)
        out[k] = state(probs[k], draw(g, k));
    g->counter++;
}

INLINE void choose_loop(const float *probs, long stride, float *out, long out_stride, long rows,
                        long columns, const uint32_t *seed)
{
    Generators g = begin(seed);
    for (long i = 0; i < rows; i++) {
        long j = 0;
        for (; j + LANES <= columns; j += LANES)
            choose_part(probs + i * stride + j, out + i * out_stride + j, &g, LANES);
        if (j < columns)
            choose_part(probs + i * stride + j, out + i * out_stride + j, &g, columns - j);
    }
}
EXPORT(choose, (const float *probs, long stride, float *out, long out_stride, long rows,
                long columns, const uint32_t *seed),
       (probs, stride, out, out_stride, rows, columns, seed))

INLINE void move_loop(float *restrict parameter, float *restrict velocity, float shrink, long n)
{
    for (long i = 0; i < n; i++) {
        velocity[i] -= shrink * parameter[i];
        parameter[i] += velocity[i];
    }
}
EXPORT(move, (float *parameter, float *velocity, float shrink, long n),
       (parameter, velocity, shrink, n))

INLINE void blend_loop(float *restrict mean, const float *restrict values, float share, long n)
{
    for (long i = 0; i < n; i++)
        mean[i] += share * (values[i] - mean[i]);
}
EXPORT(blend, (float *mean, const float *values, float share, long n), (mean, values, share, n))

INLINE void slope_loop(float *restrict delta, const float *restrict probs, long n)
{
    for (long i = 0; i < n; i++)
        delta[i] *= probs[i] * (1 - probs[i]);
}
EXPORT(slope, (float *delta, const float *probs, long n), (delta, probs, n))
