//===- AtomicFile.h - a file that appears whole or not at all ---*- C++ -*-===//

#ifndef LQ_RUNTIME_ATOMICFILE_H
#define LQ_RUNTIME_ATOMICFILE_H

#include "runtime/Error.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lq {

/// Writes a file beside its target and puts it in place at `commit`. Where the
/// file system can, the file has no name until then, so that even a killed
/// process leaves nothing. Destroying it without commit discards it. A target
/// that is not a regular file (a device, a pipe) is written to directly.
class AtomicFile {
public:
  static Expected<AtomicFile> create(const std::string &path);
  AtomicFile(AtomicFile &&other) noexcept;
  AtomicFile &operator=(AtomicFile &&) = delete;
  ~AtomicFile();

  Error write(std::span<const uint8_t> bytes);
  Error write(std::string_view bytes) {
    return write(
        {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
  }
  /// Bytes written so far.
  uint64_t offset() const { return position; }

  /// Replaces the first bytes, which must have been written before. Fails for
  /// a target that cannot seek.
  Error overwriteStart(std::string_view bytes);

  /// Flushes to disk and renames onto the target.
  Error commit();

private:
  explicit AtomicFile(std::string path) : path(std::move(path)) {}
  Error open();
  Error flush();
  Error fail(const char *what) const;

  std::string path;
  /// Empty while the file has no name, or when it is written in place.
  std::string temporary;
  int descriptor = -1;
  bool inPlace = false;
  uint64_t position = 0;
  std::vector<uint8_t> buffer;
};

/// Writes `bytes` to `path` by an AtomicFile.
Error writeFileAtomically(const std::string &path, std::string_view bytes);

} // namespace lq

#endif // LQ_RUNTIME_ATOMICFILE_H
