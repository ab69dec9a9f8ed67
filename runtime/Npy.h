//===- Npy.h - NumPy's .npy files -------------------------------*- C++ -*-===//

#ifndef LQ_RUNTIME_NPY_H
#define LQ_RUNTIME_NPY_H

#include "runtime/ElementType.h"
#include "runtime/Error.h"
#include "runtime/MappedFile.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lq {

/// An array in a mapped .npy file: little endian, C order.
struct NpyArray {
  ElementType type;
  std::vector<int64_t> shape;
  /// Row-major elements; point into the mapping.
  std::span<const uint8_t> bytes;
  std::shared_ptr<const MappedFile> file;
};

/// Reads a file of version 1, 2 or 3. Arrays in Fortran order, big-endian ones
/// and element types other than f16, f32, f64, bool and the integers are
/// errors that say so.
Expected<NpyArray> readNpy(const std::string &path);

/// The header of a version 1 file, a multiple of 64 bytes long, after which the
/// elements follow. There is no bf16 in NumPy: such arrays are written as u16.
std::string npyHeader(ElementType type, std::span<const int64_t> shape);

/// Writes a whole array, by a temporary file and a rename.
Error writeNpy(const std::string &path, ElementType type,
               std::span<const int64_t> shape, std::span<const uint8_t> bytes);

} // namespace lq

#endif // LQ_RUNTIME_NPY_H
