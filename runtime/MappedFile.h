//===- MappedFile.h - a file mapped for reading -----------------*- C++ -*-===//

#ifndef LQ_RUNTIME_MAPPEDFILE_H
#define LQ_RUNTIME_MAPPEDFILE_H

#include "runtime/Error.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace lq {

/// A regular file mapped read-only, in huge pages where the file system has
/// them. The pages are shared with every other process that maps the file. The
/// file must not be truncated meanwhile: that is SIGBUS, as for any mapped
/// program.
class MappedFile {
public:
  static Expected<std::shared_ptr<const MappedFile>>
  open(const std::string &path);
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;
  ~MappedFile();

  const std::string &path() const { return filePath; }
  std::span<const uint8_t> bytes() const { return {data, size}; }

  /// Tells the system that the bytes of [offset, offset + length) will be read
  /// soon, so that it reads ahead.
  void willNeed(uint64_t offset, uint64_t length) const;

private:
  MappedFile(std::string path, const uint8_t *data, size_t size)
      : filePath(std::move(path)), data(data), size(size) {}

  std::string filePath;
  const uint8_t *data;
  size_t size;
};

} // namespace lq

#endif // LQ_RUNTIME_MAPPEDFILE_H
