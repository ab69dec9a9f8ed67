/* Uses the C interface from C: that lq.h is C and that a program in C works. */

#include "runtime/lq.h"

#include <string.h>

/* Generates `count` tokens greedily after one token. 0 on success. */
int lqTestGenerate(const char *path, int32_t first, int32_t *tokens,
                   size_t count) {
  lq_model *model;
  lq_session *session;
  lq_sampler *sampler;
  lq_session_options options = LQ_SESSION_OPTIONS_INIT;
  const float *logits;
  lq_model_info info = LQ_MODEL_INFO_INIT;
  size_t i;
  options.threads = 2;
  if (lq_model_open(path, NULL, &model))
    return 1;
  if (lq_model_get_info(model, &info) ||
      lq_session_create(model, &options, &session) ||
      lq_sampler_create(NULL, &sampler))
    return 2;
  if (lq_prefill(session, &first, 1, &logits))
    return 3;
  for (i = 0; i < count; ++i) {
    if (lq_sample(sampler, logits, (size_t)info.vocabulary, &tokens[i]))
      return 4;
    if (lq_decode(session, tokens[i], &logits))
      return 5;
  }
  lq_sampler_destroy(sampler);
  lq_session_destroy(session);
  lq_model_close(model);
  return 0;
}
