/*===- lq.h - the C interface of lq's runtime ---------------------*- C -*-===*\
|*                                                                            *|
|* Opens a compiled model (a .lq artifact) and runs it.                       *|
|*                                                                            *|
|*   lq_model *model;                                                         *|
|*   lq_session *session;                                                     *|
|*   if (lq_model_open("model.lq", NULL, &model) ||                           *|
|*       lq_session_create(model, NULL, &session))                            *|
|*     die(lq_last_error());                                                  *|
|*                                                                            *|
|* Errors: a function that can fail returns an lq_status; LQ_OK is 0. After a *|
|* failure lq_last_error() describes it. Results passed by pointer are set    *|
|* only on success.                                                           *|
|*                                                                            *|
|* Threads: an lq_model is immutable and may be used by any number of threads *|
|* at once. An lq_session or lq_sampler serves one thread at a time; several  *|
|* sessions of one model run at the same time. No function may be called with *|
|* an object that another thread is destroying.                               *|
|*                                                                            *|
|* Options: a structure of options begins with its own size, so that programs *|
|* built against an older version keep working. Initialise it by its macro:   *|
|*   lq_session_options options = LQ_SESSION_OPTIONS_INIT;                    *|
|* A null pointer instead of options means the defaults, which are 0 except   *|
|* where stated.                                                              *|
|*                                                                            *|
|* Trust: an artifact holds machine code, which opening it loads. Open only   *|
|* artifacts that you would run as a program.                                 *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

/* NOLINTBEGIN(readability-identifier-naming): C's own style. */

#ifndef LQ_RUNTIME_LQ_H
#define LQ_RUNTIME_LQ_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define LQ_API __attribute__((visibility("default")))
#else
#define LQ_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Errors ------------------------------------------------------------- */

typedef enum lq_status {
  LQ_OK = 0,
  LQ_INVALID_ARGUMENT = 1, /* the call cannot be right */
  LQ_IO = 2,               /* the system refused to open, read or map a file */
  LQ_CORRUPT = 3,          /* the artifact is damaged */
  LQ_UNSUPPORTED = 4,      /* not on this machine, or not by this version */
  LQ_OUT_OF_MEMORY = 5,    /* an allocation failed */
  LQ_CONTEXT_FULL = 6,     /* more tokens than the session has room for */
  LQ_STOPPED = 7           /* a callback of the caller asked to stop */
} lq_status;

/* Why the last failing call of this thread failed: one line, UTF-8, never null.
   Valid until this thread's next failing call. */
LQ_API const char *lq_last_error(void);

/* The runtime's version, such as "0.1.0". */
LQ_API const char *lq_version(void);

/* ---- Models ------------------------------------------------------------- */

typedef struct lq_model lq_model;

typedef struct lq_model_options {
  size_t struct_size;
  /* Not 0: do not check the hashes of the weights. Those of the code, the
     manifest and the tokenizer are always checked. */
  int32_t skip_weight_verification;
  /* Threads that check hashes; 0: one a processor. */
  uint32_t threads;
  /* Run the code of this name (see lq_model_info.target) instead of the best
     that this machine can run; null: the best. */
  const char *target;
} lq_model_options;

#define LQ_MODEL_OPTIONS_INIT {sizeof(lq_model_options), 0, 0, NULL}

/* Maps an artifact, checks it and loads its code. The file must not be changed
   while the model is open. On success *model is the caller's, to be closed by
   lq_model_close. */
LQ_API lq_status lq_model_open(const char *path,
                               const lq_model_options *options,
                               lq_model **model);

/* Closes a model. Its sessions must have been destroyed. Null is ignored. */
LQ_API void lq_model_close(lq_model *model);

typedef enum lq_kind {
  LQ_GENERATIVE = 1, /* tokens in, logits out: lq_prefill, lq_decode */
  LQ_TENSORS = 2     /* tensors in, tensors out: lq_run */
} lq_kind;

/* Strings belong to the model. */
typedef struct lq_model_info {
  size_t struct_size;
  lq_kind kind;
  const char *name;     /* of the model that was compiled */
  const char *producer; /* what compiled it, such as "lq 0.1.0" */
  const char *target;   /* the code in use, such as "x86-64-avx512vnni" */
  int64_t context;      /* most tokens a session can hold; generative models */
  int64_t vocabulary;   /* logits a token; generative models */
  int32_t has_tokenizer;
  uint32_t input_count;
  uint32_t output_count;
  uint64_t parameters;   /* elements of all weights */
  uint64_t weight_bytes; /* their bytes, as encoded */
} lq_model_info;

#define LQ_MODEL_INFO_INIT                                                     \
  {sizeof(lq_model_info), LQ_GENERATIVE, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0}

/* Fills in *info, whose struct_size the caller has set. */
LQ_API lq_status lq_model_get_info(const lq_model *model, lq_model_info *info);

/* ---- Tensors ------------------------------------------------------------ */

typedef enum lq_type {
  LQ_F32 = 1,
  LQ_F64 = 2,
  LQ_F16 = 3,
  LQ_BF16 = 4,
  LQ_I8 = 5,
  LQ_I16 = 6,
  LQ_I32 = 7,
  LQ_I64 = 8,
  LQ_U8 = 9,
  LQ_U16 = 10,
  LQ_U32 = 11,
  LQ_U64 = 12,
  LQ_BOOL = 13 /* one byte, 0 or 1 */
} lq_type;

#define LQ_MAX_RANK 8

/* A dense, row-major tensor in host memory. */
typedef struct lq_tensor {
  const char *name;
  int32_t type; /* an lq_type */
  uint32_t rank;
  int64_t shape[LQ_MAX_RANK]; /* in elements, the slowest dimension first */
  const void *data;
  uint64_t bytes; /* of the data; what type and shape say */
} lq_tensor;

/* An input or output of a model. Strings belong to the model. */
typedef struct lq_tensor_info {
  const char *name;
  int32_t type; /* an lq_type */
  uint32_t rank;
  /* A size, or -1 for one that depends on the call. */
  int64_t shape[LQ_MAX_RANK];
  /* The same as a text, such as "batch" or "past + sequence". */
  const char *dims[LQ_MAX_RANK];
} lq_tensor_info;

/* index < lq_model_info.input_count (output_count). */
LQ_API lq_status lq_model_get_input(const lq_model *model, uint32_t index,
                                    lq_tensor_info *info);
LQ_API lq_status lq_model_get_output(const lq_model *model, uint32_t index,
                                     lq_tensor_info *info);

/* ---- Sessions ----------------------------------------------------------- */

typedef struct lq_session lq_session;

typedef struct lq_session_options {
  size_t struct_size;
  uint32_t threads; /* 0: one a processor */
  int64_t context;  /* tokens to make room for; 0: lq_model_info.context */
} lq_session_options;

#define LQ_SESSION_OPTIONS_INIT {sizeof(lq_session_options), 0, 0}

/* Allocates everything that running the model needs and starts threads - 1
   threads (the thread that calls is the first). The model must outlive it. */
LQ_API lq_status lq_session_create(const lq_model *model,
                                   const lq_session_options *options,
                                   lq_session **session);

/* Null is ignored. */
LQ_API void lq_session_destroy(lq_session *session);

/* Generative models: appends `count` >= 1 tokens to the context. Sets *logits
   to the lq_model_info.vocabulary logits of the token that follows the last;
   they belong to the session and are valid until its next call. Fails with
   LQ_CONTEXT_FULL, changing nothing, if the tokens do not fit. Allocates no
   memory. `logits` may be null. */
LQ_API lq_status lq_prefill(lq_session *session, const int32_t *tokens,
                            size_t count, const float **logits);

/* lq_prefill for one token. */
LQ_API lq_status lq_decode(lq_session *session, int32_t token,
                           const float **logits);

/* Takes logits [rows, vocabulary], row-major, that follow the tokens at
   `position`, `position` + 1, ... of the context. Not 0 stops. */
typedef int (*lq_logits_callback)(void *user, int64_t position, int64_t rows,
                                  const float *logits);

/* Like lq_prefill, and hands over the logits after every token, in pieces. If
   the callback stops it, LQ_STOPPED is returned and the tokens that the
   callback has seen stay in the context. */
LQ_API lq_status lq_score(lq_session *session, const int32_t *tokens,
                          size_t count, lq_logits_callback callback,
                          void *user);

/* Tokens in the context, and the most there is room for. */
LQ_API int64_t lq_session_position(const lq_session *session);
LQ_API int64_t lq_session_context(const lq_session *session);

/* Forgets all tokens; or those from `position` on, where 0 <= position <=
   lq_session_position. */
LQ_API void lq_reset(lq_session *session);
LQ_API lq_status lq_rewind(lq_session *session, int64_t position);

/* Any model: runs it on `input_count` tensors, which are found by name and are
   only read. Sets *outputs to an array of lq_model_info.output_count tensors in
   the model's order; array and data belong to the session and are valid until
   its next call. A generative model takes token ids [1, n], forgets its context
   first, and gives the logits [1, n, vocabulary]. */
LQ_API lq_status lq_run(lq_session *session, const lq_tensor *inputs,
                        size_t input_count, const lq_tensor **outputs);

/* ---- Text --------------------------------------------------------------- */

/* Writes the token ids of a UTF-8 text of `length` bytes to tokens[capacity]
   and their number to *count. If they do not fit, fails with
   LQ_INVALID_ARGUMENT and still sets *count; `tokens` may be null if `capacity`
   is 0. `add_special` not 0 adds what the model wants around a text, such as a
   beginning-of-text token. */
LQ_API lq_status lq_tokenize(const lq_model *model, const char *text,
                             size_t length, int add_special, int32_t *tokens,
                             size_t capacity, size_t *count);

/* Writes the text of token ids to text[capacity], with a terminating 0 if there
   is room for one, and its number of bytes (without it) to *length. If the
   text does not fit, fails with LQ_INVALID_ARGUMENT and still sets *length;
   `text` may be null if `capacity` is 0. `skip_special` not 0 leaves out
   special tokens. */
LQ_API lq_status lq_detokenize(const lq_model *model, const int32_t *tokens,
                               size_t count, int skip_special, char *text,
                               size_t capacity, size_t *length);

/* 1 if the token ends a text, 0 if not or if there is no tokenizer. */
LQ_API int lq_is_end_token(const lq_model *model, int32_t token);

/* Turns tokens into text one at a time, holding back bytes that are not yet a
   whole character. */
typedef struct lq_text_stream lq_text_stream;

/* The model must outlive it. `skip_special` is as in lq_detokenize. */
LQ_API lq_status lq_text_stream_create(const lq_model *model, int skip_special,
                                       lq_text_stream **stream);
/* Null is ignored. */
LQ_API void lq_text_stream_destroy(lq_text_stream *stream);
/* Sets *text to the text that became certain with this token: UTF-8, ended by
   a 0, perhaps empty. It belongs to the stream and is valid until its next
   call. */
LQ_API lq_status lq_text_stream_push(lq_text_stream *stream, int32_t token,
                                     const char **text);
/* The same for what is still held back; the stream then starts afresh. */
LQ_API lq_status lq_text_stream_finish(lq_text_stream *stream,
                                       const char **text);

/* ---- Sampling ----------------------------------------------------------- */

typedef struct lq_sampler lq_sampler;

/* The restrictions apply in the order of the fields. */
typedef struct lq_sampling_options {
  size_t struct_size;
  float temperature; /* 0: always the most likely token */
  uint32_t top_k;    /* keep the k most likely tokens; 0: all */
  float top_p;   /* keep the fewest tokens of this total probability; 1: all */
  float min_p;   /* keep tokens at least this times as likely as the best */
  uint64_t seed; /* the same seed gives the same tokens */
} lq_sampling_options;

#define LQ_SAMPLING_OPTIONS_INIT                                               \
  {sizeof(lq_sampling_options), 0.0f, 0, 1.0f, 0.0f, 0}

LQ_API lq_status lq_sampler_create(const lq_sampling_options *options,
                                   lq_sampler **sampler);
/* Null is ignored. */
LQ_API void lq_sampler_destroy(lq_sampler *sampler);

/* Chooses a token by logits[vocabulary]. */
LQ_API lq_status lq_sample(lq_sampler *sampler, const float *logits,
                           size_t vocabulary, int32_t *token);

#ifdef __cplusplus
}
#endif

#endif /* LQ_RUNTIME_LQ_H */

/* NOLINTEND(readability-identifier-naming) */
