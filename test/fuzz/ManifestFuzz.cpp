//===- ManifestFuzz.cpp - any text as the manifest of an artifact ---------===//
//
// Whatever the text, it is refused with a message or gives sizes that can be
// computed with. The versions, which change, are put before the first field.
//
//===----------------------------------------------------------------------===//

#include "runtime/Abi.h"
#include "runtime/Manifest.h"

#include <cstdlib>

using namespace lq;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string text(reinterpret_cast<const char *>(data), size);
  if (text.starts_with('{'))
    text.insert(1, "\"version\":" + std::to_string(manifestVersion) +
                       ",\"abi\":" + std::to_string(LQ_ABI_VERSION) + ",");
  auto manifest = parseManifest(text);
  if (!manifest)
    return manifest.error().message().empty() ? (std::abort(), -1) : 0;
  std::vector<int64_t> extents;
  for (const ExtentSpec &extent : manifest->extents) {
    extents.push_back(extent.max);
    if (manifest->extentIndex(extent.name) >= manifest->extents.size())
      std::abort();
  }
  for (const auto *list : {&manifest->inputs, &manifest->outputs})
    for (const TensorSpec &tensor : *list)
      for (const DimExpr &size : tensor.shape)
        (void)size.evaluate(extents);
  for (const WeightSpec &weight : manifest->weights)
    (void)weight.elements();
  for (const CodeSpec &code : manifest->code)
    for (const EntrySpec &entry : code.entries)
      if (!code.findEntry(entry.name))
        std::abort();
  return 0;
}
