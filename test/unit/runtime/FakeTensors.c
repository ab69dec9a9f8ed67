/* scaled[b, i] = x[b, i] * y[i] * weight[0], total[b] = sum over i of
   scaled[b, i]. Extents: batch, width; there are 2 * width columns. */

#include "runtime/Abi.h"

void lq_entry_main(const LqCall *call, int64_t thread, int64_t threads) {
  const int64_t batch = call->extents[0];
  const int64_t width = 2 * call->extents[1];
  const float *x = (const float *)call->arguments[0];
  const float *y = (const float *)call->arguments[1];
  float *scaled = (float *)call->arguments[2];
  double *total = (double *)call->arguments[3];
  const float *weight = (const float *)call->weights[0];

  for (int64_t i = thread; i < batch * width; i += threads)
    scaled[i] = x[i] * y[i % width] * weight[0];
  call->barrier(call->team);
  for (int64_t b = thread; b < batch; b += threads) {
    total[b] = 0;
    for (int64_t i = 0; i < width; ++i)
      total[b] += scaled[b * width + i];
  }
}
