/* A "language model" whose logits are exactly predictable: logit v after the
   tokens t_0 .. t_p is (v * 7 + sum of t_i * (i + 1)) mod 1009 + bias[v]. It
   keeps the tokens as its state, uses the arena, the scratch and barriers, and
   divides its work among the threads, as generated code does.

   Extents: sequence, past, logits. Weights: bias f32 [vocabulary]. */

#include "runtime/Abi.h"

enum { vocabulary = 61 };

static void run(const LqCall *call, int64_t thread, int64_t threads) {
  const int64_t sequence = call->extents[0];
  const int64_t past = call->extents[1];
  const int64_t rows = call->extents[2];
  const int64_t *ids = (const int64_t *)call->arguments[0];
  float *logits = (float *)call->arguments[1];
  const float *bias = (const float *)call->weights[0];
  int32_t *state = (int32_t *)call->states[0];
  int64_t *sums = (int64_t *)call->arena;
  int64_t *mine =
      (int64_t *)((char *)call->scratch + thread * LQ_ABI_ALIGNMENT);

  for (int64_t i = thread; i < sequence; i += threads)
    state[past + i] = (int32_t)ids[i];
  call->barrier(call->team);

  for (int64_t row = thread; row < rows; row += threads) {
    *mine = 0;
    for (int64_t i = 0; i <= past + sequence - rows + row; ++i)
      *mine += state[i] * (i + 1);
    sums[row] = *mine;
  }
  call->barrier(call->team);

  for (int64_t row = 0; row < rows; ++row)
    for (int64_t v = thread; v < vocabulary; v += threads)
      logits[row * vocabulary + v] =
          (float)((v * 7 + sums[row]) % 1009) + bias[v];
}

void lq_entry_prefill(const LqCall *call, int64_t thread, int64_t threads) {
  run(call, thread, threads);
}

void lq_entry_decode(const LqCall *call, int64_t thread, int64_t threads) {
  run(call, thread, threads);
}
