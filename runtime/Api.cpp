//===- Api.cpp - the C interface of lq's runtime --------------------------===//
//
// A thin layer: it checks pointers, translates structures and turns errors and
// exceptions into a status and a message.
//
//===----------------------------------------------------------------------===//

#include "runtime/Model.h"
#include "runtime/Sampler.h"
#include "runtime/Session.h"
#include "runtime/lq.h"

#include <algorithm>
#include <cstring>
#include <new>

using namespace lq;

// NOLINTBEGIN(readability-identifier-naming): declared in lq.h.
struct lq_model {
  std::unique_ptr<const Model> model;
};

struct lq_session {
  std::unique_ptr<Session> session;
  std::vector<TensorView> inputs;
  std::vector<lq_tensor> outputs;
};

struct lq_sampler {
  Sampler sampler;
};

struct lq_text_stream {
  StreamDecoder decoder;
  std::string text;
};

// NOLINTEND(readability-identifier-naming)

static std::string &lastError() {
  thread_local std::string message;
  return message;
}

static lq_status report(const Error &error) {
  if (!error)
    return LQ_OK;
  try {
    lastError() = error.message();
  } catch (const std::bad_alloc &) {
    lastError().clear();
  }
  return static_cast<lq_status>(error.code());
}

/// Runs a function that returns an Error; no exception gets past it.
template <typename Body> static lq_status guarded(const Body &body) {
  try {
    return report(body());
  } catch (const std::bad_alloc &) {
    return report(Error(ErrorCode::OutOfMemory, "out of memory"));
  } catch (const std::exception &exception) {
    return report(makeError(ErrorCode::InvalidArgument, exception.what()));
  }
}

static Error nullPointer() {
  return Error(ErrorCode::InvalidArgument,
               "a pointer that must not be null is null");
}

/// The caller's options over the defaults; fields that the caller's version of
/// the header did not have keep their defaults.
template <typename Options>
static Expected<Options> readOptions(const Options *given, Options defaults) {
  if (!given)
    return defaults;
  if (given->struct_size < sizeof(size_t) || given->struct_size > 4096)
    return makeError(ErrorCode::InvalidArgument,
                     "struct_size of an options structure is not set; "
                     "initialise it by its macro");
  std::memcpy(static_cast<void *>(&defaults), given,
              std::min(given->struct_size, sizeof(Options)));
  return defaults;
}

const char *lq_last_error(void) { return lastError().c_str(); }

const char *lq_version(void) { return LQ_VERSION; }

lq_status lq_model_open(const char *path, const lq_model_options *given,
                        lq_model **model) {
  return guarded([&]() -> Error {
    if (!path || !model)
      return nullPointer();
    auto options = readOptions<lq_model_options>(given, LQ_MODEL_OPTIONS_INIT);
    if (!options)
      return options.takeError();
    ArtifactOptions artifact;
    artifact.verifyWeights = !options->skip_weight_verification;
    artifact.threads = options->threads;
    artifact.target = options->target ? options->target : "";
    auto opened = Model::open(path, artifact);
    if (!opened)
      return opened.takeError();
    *model = new lq_model{std::move(*opened)};
    return Error::success();
  });
}

void lq_model_close(lq_model *model) { delete model; }

static lq_model_info describe(const Model &model) {
  const Manifest &manifest = model.manifest();
  lq_model_info info = LQ_MODEL_INFO_INIT;
  info.kind =
      manifest.kind == ModelKind::Generative ? LQ_GENERATIVE : LQ_TENSORS;
  info.name = manifest.name.c_str();
  info.producer = manifest.producer.c_str();
  info.target = model.artifact().code().target.c_str();
  info.context = manifest.context;
  info.vocabulary = manifest.vocabulary;
  info.has_tokenizer = model.hasTokenizer();
  info.input_count = static_cast<uint32_t>(manifest.inputs.size());
  info.output_count = static_cast<uint32_t>(manifest.outputs.size());
  for (const WeightSpec &weight : manifest.weights) {
    info.parameters += weight.elements();
    info.weight_bytes += weight.storageBytes;
  }
  return info;
}

lq_status lq_model_get_info(const lq_model *model, lq_model_info *info) {
  return guarded([&]() -> Error {
    if (!model || !info)
      return nullPointer();
    size_t size = info->struct_size;
    lq_model_info all = describe(*model->model);
    all.struct_size = size;
    std::memcpy(static_cast<void *>(info), &all, std::min(size, sizeof(all)));
    return Error::success();
  });
}

static Error describeTensor(const std::vector<TensorSpec> &specs,
                            uint32_t index, lq_tensor_info *info) {
  if (!info)
    return nullPointer();
  if (index >= specs.size())
    return makeError(ErrorCode::InvalidArgument, "there is no tensor ", index,
                     " of ", specs.size());
  const TensorSpec &spec = specs[index];
  *info = {};
  info->name = spec.name.c_str();
  info->type = static_cast<int32_t>(spec.type);
  info->rank = static_cast<uint32_t>(spec.shape.size());
  for (size_t i = 0; i < spec.shape.size(); ++i) {
    const DimExpr &dim = spec.shape[i];
    info->shape[i] = dim.extents().empty() ? dim.evaluate({}).value_or(-1) : -1;
    info->dims[i] = dim.text().c_str();
  }
  return Error::success();
}

lq_status lq_model_get_input(const lq_model *model, uint32_t index,
                             lq_tensor_info *info) {
  return guarded([&]() -> Error {
    return model ? describeTensor(model->model->manifest().inputs, index, info)
                 : nullPointer();
  });
}

lq_status lq_model_get_output(const lq_model *model, uint32_t index,
                              lq_tensor_info *info) {
  return guarded([&]() -> Error {
    return model ? describeTensor(model->model->manifest().outputs, index, info)
                 : nullPointer();
  });
}

lq_status lq_session_create(const lq_model *model,
                            const lq_session_options *given,
                            lq_session **session) {
  return guarded([&]() -> Error {
    if (!model || !session)
      return nullPointer();
    auto options =
        readOptions<lq_session_options>(given, LQ_SESSION_OPTIONS_INIT);
    if (!options)
      return options.takeError();
    auto created =
        Session::create(*model->model, {options->threads, options->context});
    if (!created)
      return created.takeError();
    *session = new lq_session{std::move(*created), {}, {}};
    return Error::success();
  });
}

void lq_session_destroy(lq_session *session) { delete session; }

lq_status lq_prefill(lq_session *session, const int32_t *tokens, size_t count,
                     const float **logits) {
  return guarded([&]() -> Error {
    if (!session || (!tokens && count))
      return nullPointer();
    auto result = session->session->prefill({tokens, count});
    if (!result)
      return result.takeError();
    if (logits)
      *logits = result->data();
    return Error::success();
  });
}

lq_status lq_decode(lq_session *session, int32_t token, const float **logits) {
  return lq_prefill(session, &token, 1, logits);
}

lq_status lq_score(lq_session *session, const int32_t *tokens, size_t count,
                   lq_logits_callback callback, void *user) {
  return guarded([&]() -> Error {
    if (!session || !callback || (!tokens && count))
      return nullPointer();
    auto sink = [&](int64_t position, int64_t rows,
                    std::span<const float> logits) {
      return callback(user, position, rows, logits.data())
                 ? Error(ErrorCode::Stopped, "the callback stopped the scoring")
                 : Error::success();
    };
    return session->session->score({tokens, count}, sink);
  });
}

int64_t lq_session_position(const lq_session *session) {
  return session ? session->session->position() : 0;
}

int64_t lq_session_context(const lq_session *session) {
  return session ? session->session->context() : 0;
}

void lq_reset(lq_session *session) { lq_rewind(session, 0); }

lq_status lq_rewind(lq_session *session, int64_t position) {
  return guarded([&]() -> Error {
    return session ? session->session->rewind(position) : nullPointer();
  });
}

/// A tensor of the caller, checked as far as it can be without the model.
static Error readTensor(const lq_tensor &tensor, TensorView &view) {
  if (!tensor.name || (!tensor.data && tensor.bytes))
    return nullPointer();
  view = {tensor.name,
          static_cast<ElementType>(tensor.type),
          {tensor.shape, tensor.rank},
          tensor.data};
  uint64_t bytes = elementBytes(view.type);
  bool valid = bytes != 0 && tensor.rank <= LQ_MAX_RANK;
  for (uint32_t i = 0; valid && i < tensor.rank; ++i)
    valid = tensor.shape[i] >= 0 &&
            !__builtin_mul_overflow(
                bytes, static_cast<uint64_t>(tensor.shape[i]), &bytes);
  if (!valid)
    return makeError(ErrorCode::InvalidArgument, "tensor '", tensor.name,
                     "' has an invalid type or shape");
  if (bytes != tensor.bytes)
    return makeError(ErrorCode::InvalidArgument, "tensor '", tensor.name,
                     "': expected ", bytes, " bytes for its shape, got ",
                     tensor.bytes);
  return Error::success();
}

static lq_tensor writeTensor(const TensorView &view) {
  lq_tensor tensor{};
  tensor.name = view.name.data();
  tensor.type = static_cast<int32_t>(view.type);
  tensor.rank = static_cast<uint32_t>(view.shape.size());
  std::ranges::copy(view.shape, tensor.shape);
  tensor.data = view.data;
  tensor.bytes = elementBytes(view.type);
  for (int64_t dim : view.shape)
    tensor.bytes *= static_cast<uint64_t>(dim);
  return tensor;
}

lq_status lq_run(lq_session *session, const lq_tensor *inputs,
                 size_t inputCount, const lq_tensor **outputs) {
  return guarded([&]() -> Error {
    if (!session || !outputs || (!inputs && inputCount))
      return nullPointer();
    session->inputs.resize(inputCount);
    for (size_t i = 0; i < inputCount; ++i)
      if (Error error = readTensor(inputs[i], session->inputs[i]))
        return error;
    auto results = session->session->run(session->inputs);
    if (!results)
      return results.takeError();
    session->outputs.clear();
    for (const TensorView &view : *results)
      session->outputs.push_back(writeTensor(view));
    *outputs = session->outputs.data();
    return Error::success();
  });
}

lq_status lq_tokenize(const lq_model *model, const char *text, size_t length,
                      int addSpecial, int32_t *tokens, size_t capacity,
                      size_t *count) {
  return guarded([&]() -> Error {
    if (!model || !count || (!text && length) || (!tokens && capacity))
      return nullPointer();
    auto tokenizer = model->model->tokenizer();
    if (!tokenizer)
      return tokenizer.takeError();
    auto ids = (*tokenizer)->encode({text, length}, addSpecial != 0);
    if (!ids)
      return ids.takeError();
    *count = ids->size();
    if (ids->size() > capacity)
      return makeError(ErrorCode::InvalidArgument, "the text has ", ids->size(),
                       " tokens, but there is room for ", capacity);
    std::copy(ids->begin(), ids->end(), tokens);
    return Error::success();
  });
}

lq_status lq_detokenize(const lq_model *model, const int32_t *tokens,
                        size_t count, int skipSpecial, char *text,
                        size_t capacity, size_t *length) {
  return guarded([&]() -> Error {
    if (!model || !length || (!tokens && count) || (!text && capacity))
      return nullPointer();
    auto tokenizer = model->model->tokenizer();
    if (!tokenizer)
      return tokenizer.takeError();
    std::string decoded =
        (*tokenizer)->decode({tokens, count}, skipSpecial != 0);
    *length = decoded.size();
    if (decoded.size() > capacity)
      return makeError(ErrorCode::InvalidArgument, "the text has ",
                       decoded.size(), " bytes, but there is room for ",
                       capacity);
    std::ranges::copy(decoded, text);
    if (decoded.size() < capacity)
      text[decoded.size()] = '\0';
    return Error::success();
  });
}

int lq_is_end_token(const lq_model *model, int32_t token) {
  int result = 0;
  guarded([&]() -> Error {
    if (!model || !model->model->hasTokenizer())
      return Error::success();
    auto tokenizer = model->model->tokenizer();
    result = tokenizer && (*tokenizer)->isEos(token);
    return Error::success();
  });
  return result;
}

lq_status lq_text_stream_create(const lq_model *model, int skipSpecial,
                                lq_text_stream **stream) {
  return guarded([&]() -> Error {
    if (!model || !stream)
      return nullPointer();
    auto tokenizer = model->model->tokenizer();
    if (!tokenizer)
      return tokenizer.takeError();
    *stream =
        new lq_text_stream{StreamDecoder(**tokenizer, skipSpecial != 0), {}};
    return Error::success();
  });
}

void lq_text_stream_destroy(lq_text_stream *stream) { delete stream; }

lq_status lq_text_stream_push(lq_text_stream *stream, int32_t token,
                              const char **text) {
  return guarded([&]() -> Error {
    if (!stream || !text)
      return nullPointer();
    stream->text = stream->decoder.push(token);
    *text = stream->text.c_str();
    return Error::success();
  });
}

lq_status lq_text_stream_finish(lq_text_stream *stream, const char **text) {
  return guarded([&]() -> Error {
    if (!stream || !text)
      return nullPointer();
    stream->text = stream->decoder.finish();
    *text = stream->text.c_str();
    return Error::success();
  });
}

lq_status lq_sampler_create(const lq_sampling_options *given,
                            lq_sampler **sampler) {
  return guarded([&]() -> Error {
    if (!sampler)
      return nullPointer();
    auto options =
        readOptions<lq_sampling_options>(given, LQ_SAMPLING_OPTIONS_INIT);
    if (!options)
      return options.takeError();
    auto created =
        Sampler::create({options->temperature, options->top_k, options->top_p,
                         options->min_p, options->seed});
    if (!created)
      return created.takeError();
    *sampler = new lq_sampler{std::move(*created)};
    return Error::success();
  });
}

void lq_sampler_destroy(lq_sampler *sampler) { delete sampler; }

lq_status lq_sample(lq_sampler *sampler, const float *logits, size_t vocabulary,
                    int32_t *token) {
  return guarded([&]() -> Error {
    if (!sampler || !logits || !token)
      return nullPointer();
    auto choice = sampler->sampler.sample({logits, vocabulary});
    if (!choice)
      return choice.takeError();
    *token = *choice;
    return Error::success();
  });
}
