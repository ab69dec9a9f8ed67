//===- ElementType.cpp - element types of tensors at run time -------------===//

#include "runtime/ElementType.h"

using namespace lq;

namespace {
struct Name {
  ElementType type;
  std::string_view text;
};
} // namespace

// The first name of a type is the one that is printed; "i1", "ui8" and so on
// are how MLIR spells it.
static constexpr Name names[] = {
    {ElementType::F32, "f32"},   {ElementType::F64, "f64"},
    {ElementType::F16, "f16"},   {ElementType::BF16, "bf16"},
    {ElementType::I8, "i8"},     {ElementType::I16, "i16"},
    {ElementType::I32, "i32"},   {ElementType::I64, "i64"},
    {ElementType::U8, "u8"},     {ElementType::U16, "u16"},
    {ElementType::U32, "u32"},   {ElementType::U64, "u64"},
    {ElementType::Bool, "bool"}, {ElementType::Bool, "i1"},
    {ElementType::U8, "ui8"},    {ElementType::U16, "ui16"},
    {ElementType::U32, "ui32"},  {ElementType::U64, "ui64"}};

std::string_view lq::elementTypeName(ElementType type) {
  for (const Name &name : names)
    if (name.type == type)
      return name.text;
  return "?";
}

std::optional<ElementType> lq::parseElementType(std::string_view text) {
  for (const Name &name : names)
    if (name.text == text)
      return name.type;
  return std::nullopt;
}
