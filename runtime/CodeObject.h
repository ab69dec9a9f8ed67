//===- CodeObject.h - machine code from an artifact -------------*- C++ -*-===//

#ifndef LQ_RUNTIME_CODEOBJECT_H
#define LQ_RUNTIME_CODEOBJECT_H

#include "runtime/Abi.h"
#include "runtime/Error.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace lq {

/// A loaded ELF shared object. The bytes are copied to an anonymous file in
/// memory, since the dynamic linker wants a file, and never touch a disk.
class CodeObject {
public:
  /// Loads an object. This runs its initialisers: the bytes must be trusted
  /// (their hash checked) before. `name` is for messages.
  static Expected<std::unique_ptr<CodeObject>>
  load(std::span<const uint8_t> bytes, const std::string &name);
  CodeObject(const CodeObject &) = delete;
  CodeObject &operator=(const CodeObject &) = delete;
  ~CodeObject();

  /// The function "lq_entry_<name>"; null if there is none.
  LqEntry entry(const std::string &name) const;

private:
  CodeObject() = default;

  int descriptor = -1;
  void *handle = nullptr;
};

/// The machine (e_machine) that an ELF file is for; 0 if it is no 64-bit
/// little-endian ELF file.
uint16_t elfMachine(std::span<const uint8_t> bytes);

} // namespace lq

#endif // LQ_RUNTIME_CODEOBJECT_H
