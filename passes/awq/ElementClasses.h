//===- ElementClasses.h - classes of a tensor's elements --------*- C++ -*-===//

#ifndef LQ_PASSES_AWQ_ELEMENTCLASSES_H
#define LQ_PASSES_AWQ_ELEMENTCLASSES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <vector>

namespace lq {

/// Classes that may turn out to be one.
class ClassUnion {
public:
  explicit ClassUnion(int32_t count);

  int32_t find(int32_t id) const;
  void unite(int32_t a, int32_t b);

private:
  std::vector<int32_t> parents;
};

/// Which class each element of a tensor belongs to, as an array that is broadcast
/// to it: along a dimension whose size here is 1 all elements are alike.
struct ElementClasses {
  llvm::SmallVector<int64_t> sizes;
  /// Row-major over `sizes`.
  std::vector<int32_t> of;

  /// Gives a dimension its full size.
  void expand(unsigned dim, int64_t size);
  /// Makes all elements along a dimension alike, by uniting classes.
  void collapse(unsigned dim, ClassUnion &classes);
  /// The dimension, of full size, becomes a part of a longer one that begins at
  /// `offset`; the rest of it gets the class `outside`.
  void embed(unsigned dim, int64_t offset, int64_t size, int32_t outside);
  /// Dimension i becomes dimension order[i].
  void transpose(llvm::ArrayRef<int64_t> order);
};

} // namespace lq

#endif // LQ_PASSES_AWQ_ELEMENTCLASSES_H
