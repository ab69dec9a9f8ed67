//===- Safetensors.h - reader and writer of safetensors files ---*- C++ -*-===//
//
// The container of Hugging Face checkpoints: the length of a header (u64,
// little endian), the header, a JSON object that gives each tensor's type,
// shape and place, then the tensors' bytes without gaps. The description is
// that of the safetensors project (README, "Format").
//
//===----------------------------------------------------------------------===//

#ifndef LQ_RUNTIME_SAFETENSORS_H
#define LQ_RUNTIME_SAFETENSORS_H

#include "runtime/AtomicFile.h"
#include "runtime/Error.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lq {

/// A tensor of a safetensors file.
struct SafetensorsTensor {
  std::string name;
  /// The element type as the file names it: "F32", "BF16", "I32", ...
  std::string type;
  std::vector<uint64_t> shape;
  /// Row-major, little endian; narrow elements are packed, low bits first.
  std::span<const uint8_t> bytes;
  /// Offset of `bytes` in the file.
  uint64_t fileOffset = 0;
};

/// Bits of an element of the type called `name`; nothing for unknown types.
std::optional<unsigned> safetensorsBits(std::string_view name);

/// A safetensors file, parsed and checked: each tensor has as many bytes as its
/// shape takes, all lie in the file, none overlaps another, no name stands
/// twice. Immutable, so threads may share it.
class SafetensorsReader {
public:
  using Metadata = std::map<std::string, std::string, std::less<>>;

  /// Parses a file that lies in memory, for as long as the reader lives. `path`
  /// is for messages.
  static Expected<SafetensorsReader> parse(std::span<const uint8_t> file,
                                           const std::string &path);

  /// By name.
  const std::vector<SafetensorsTensor> &tensors() const { return tensorList; }
  /// Null if there is none.
  const SafetensorsTensor *findTensor(std::string_view name) const;
  /// The texts under "__metadata__".
  const Metadata &metadata() const { return values; }

private:
  friend class SafetensorsParser;
  std::vector<SafetensorsTensor> tensorList;
  Metadata values;
};

/// The bytes before the tensors of a file that has these, one after another in the
/// order given, which must be one that aligns them (widest elements first). Sets
/// each tensor's place in the file; their bytes are not read.
std::string layOutSafetensors(const SafetensorsReader::Metadata &metadata,
                              std::span<SafetensorsTensor> tensors);

/// Collects tensors, then writes the file in one go, one tensor at a time.
class SafetensorsWriter {
public:
  /// Writes exactly the tensor's bytes to the file.
  using Producer = std::function<Error(AtomicFile &)>;

  /// A text under "__metadata__"; replaces one of the same key.
  void setMetadata(const std::string &key, std::string text);
  /// Adds a tensor of a known type whose name is new.
  void addTensor(std::string name, std::string type,
                 std::vector<uint64_t> shape, Producer producer);

  /// Writes to a temporary file and renames it; nothing is left on failure.
  /// Tensors lie in the order of their element's width, widest first, so that
  /// each is aligned to its elements.
  Error finish(const std::string &path);

private:
  struct Tensor {
    std::string name, type;
    std::vector<uint64_t> shape;
    uint64_t byteSize;
    Producer producer;
  };

  SafetensorsReader::Metadata values;
  std::vector<Tensor> tensors;
};

} // namespace lq

#endif // LQ_RUNTIME_SAFETENSORS_H
