//===- FileError.h - errors about a file ------------------------*- C++ -*-===//

#ifndef LQ_PASSES_CALIBRATE_FILEERROR_H
#define LQ_PASSES_CALIBRATE_FILEERROR_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

namespace lq {

/// An error whose message is the path and the parts written one after another.
template <typename... Parts>
llvm::Error fileError(llvm::StringRef path, const Parts &...parts) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << path << ": ";
  (stream << ... << parts);
  return llvm::createStringError(text);
}

} // namespace lq

#endif // LQ_PASSES_CALIBRATE_FILEERROR_H
