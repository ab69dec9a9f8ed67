//===- ElementType.h - element types of tensors at run time -----*- C++ -*-===//

#ifndef LQ_RUNTIME_ELEMENTTYPE_H
#define LQ_RUNTIME_ELEMENTTYPE_H

#include <cstdint>
#include <optional>
#include <string_view>

namespace lq {

/// Element types of an entry point's inputs and outputs; the same numbers as
/// `lq_type` of lq.h.
enum class ElementType : int32_t {
  F32 = 1,
  F64 = 2,
  F16 = 3,
  BF16 = 4,
  I8 = 5,
  I16 = 6,
  I32 = 7,
  I64 = 8,
  U8 = 9,
  U16 = 10,
  U32 = 11,
  U64 = 12,
  Bool = 13, ///< one byte, 0 or 1
};

constexpr uint64_t elementBytes(ElementType type) {
  switch (type) {
  case ElementType::I8:
  case ElementType::U8:
  case ElementType::Bool:
    return 1;
  case ElementType::F16:
  case ElementType::BF16:
  case ElementType::I16:
  case ElementType::U16:
    return 2;
  case ElementType::F32:
  case ElementType::I32:
  case ElementType::U32:
    return 4;
  case ElementType::F64:
  case ElementType::I64:
  case ElementType::U64:
    return 8;
  }
  return 0;
}

/// The name that manifests use: "f32", "i64", "bool", ...
std::string_view elementTypeName(ElementType type);
std::optional<ElementType> parseElementType(std::string_view name);

} // namespace lq

#endif // LQ_RUNTIME_ELEMENTTYPE_H
