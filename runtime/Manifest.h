//===- Manifest.h - what an artifact says of itself -------------*- C++ -*-===//

#ifndef LQ_RUNTIME_MANIFEST_H
#define LQ_RUNTIME_MANIFEST_H

#include "runtime/DimExpr.h"
#include "runtime/ElementType.h"
#include "runtime/Error.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lq {

/// Keys of an artifact's GGUF metadata.
inline constexpr std::string_view manifestKey = "lq.manifest";
inline constexpr std::string_view manifestHashKey = "lq.manifest.sha256";
inline constexpr std::string_view architectureKey = "general.architecture";
inline constexpr std::string_view architectureName = "lq";

/// The version of the manifest's own layout.
inline constexpr int64_t manifestVersion = 1;

enum class ModelKind {
  Generative, ///< tokens in, logits out; entries "prefill" and "decode"
  Tensors,    ///< named tensors in and out; entry "main"
};

/// A size that is known when a call is made, and the most it may be.
struct ExtentSpec {
  std::string name;
  int64_t max;
};

/// An input or output of the entry points.
struct TensorSpec {
  std::string name;
  ElementType type;
  std::vector<DimExpr> shape;
};

/// A buffer that a session keeps between calls (a part of the KV cache), of
/// roundup(context, positionMultiple) * bytesPerPosition bytes.
struct StateSpec {
  std::string name;
  uint64_t bytesPerPosition;
  uint64_t positionMultiple;
};

/// A weight, in the order in which generated code expects them.
struct WeightSpec {
  std::string name;
  std::string tensor; ///< the container's tensor that holds its bytes
  std::vector<int64_t> shape;
  std::string encoding;
  uint64_t storageBytes;

  /// Elements of the shape; saturates.
  uint64_t elements() const;
};

/// A function of a code object.
struct EntrySpec {
  std::string name;
  int64_t minRows; ///< the fewest and the most tokens of one call
  int64_t maxRows;
  uint64_t arenaBytes;
  uint64_t scratchBytes; ///< a thread
};

/// Machine code for one kind of processor; the best stands first.
struct CodeSpec {
  std::string target;
  std::vector<std::string> features;
  std::string tensor;
  std::vector<EntrySpec> entries;

  /// Null if there is none.
  const EntrySpec *findEntry(std::string_view name) const;
};

struct Manifest {
  ModelKind kind = ModelKind::Tensors;
  std::string name;
  std::string producer;
  std::vector<ExtentSpec> extents;
  int64_t context = 0;    ///< positions, at most; generative models only
  int64_t vocabulary = 0; ///< logits a position; generative models only
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  std::vector<StateSpec> states;
  std::vector<WeightSpec> weights;
  std::vector<CodeSpec> code;
  /// Lower-case hex digests by tensor name; "tokenizer" for the tokenizer.
  std::map<std::string, std::string, std::less<>> sha256;

  /// Index into `extents`, or its size if there is none of that name.
  size_t extentIndex(std::string_view name) const;
};

/// Parses and checks a manifest: all sizes are in range, every kind has the
/// entries, inputs and outputs that it needs.
Expected<Manifest> parseManifest(std::string_view json);

} // namespace lq

#endif // LQ_RUNTIME_MANIFEST_H
