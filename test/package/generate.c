/* Continues the text "The" by one token, with the runtime's C interface. */

#include "runtime/lq.h"

#include <stdio.h>

static int fail(void) {
  fprintf(stderr, "%s\n", lq_last_error());
  return 1;
}

int main(int argc, char **argv) {
  lq_model *model;
  lq_session *session;
  const float *logits;
  int32_t tokens[8];
  size_t count;
  if (argc != 2)
    return fprintf(stderr, "usage: %s model.lq\n", argv[0]), 2;
  if (lq_model_open(argv[1], NULL, &model) ||
      lq_session_create(model, NULL, &session) ||
      lq_tokenize(model, "The", 3, 1, tokens, 8, &count) ||
      lq_prefill(session, tokens, count, &logits))
    return fail();
  lq_session_destroy(session);
  lq_model_close(model);
  printf("lq %s ran %zu tokens\n", lq_version(), count);
  return 0;
}
