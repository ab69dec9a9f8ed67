//===- CodeObject.cpp - machine code from an artifact ---------------------===//

#include "runtime/CodeObject.h"

#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace lq;

// Linux 6.3; older headers lack it and older kernels refuse it.
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static int createMemoryFile() {
  int descriptor = memfd_create("lq-code", MFD_CLOEXEC | MFD_EXEC);
  if (descriptor < 0 && errno == EINVAL)
    descriptor = memfd_create("lq-code", MFD_CLOEXEC);
  return descriptor;
}

static bool writeAll(int descriptor, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR)
      return false;
    if (written > 0)
      bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

uint16_t lq::elfMachine(std::span<const uint8_t> bytes) {
  Elf64_Ehdr header;
  if (bytes.size() < sizeof(header))
    return 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB)
    return 0;
  return header.e_machine;
}

Expected<std::unique_ptr<CodeObject>>
CodeObject::load(std::span<const uint8_t> bytes, const std::string &name) {
  std::unique_ptr<CodeObject> object(new CodeObject);
  object->descriptor = createMemoryFile();
  if (object->descriptor < 0 || !writeAll(object->descriptor, bytes))
    return makeError(
        ErrorCode::Io, name,
        ": cannot copy the code to executable memory: ", std::strerror(errno));
  // The descriptor stays open as long as the object is loaded: the dynamic
  // linker knows objects by path, and this path must not come to mean another.
  std::string path = "/proc/self/fd/" + std::to_string(object->descriptor);
  object->handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!object->handle)
    return makeError(ErrorCode::Unsupported, name,
                     ": the dynamic linker refuses the code: ", dlerror());
  return object;
}

CodeObject::~CodeObject() {
  if (handle)
    dlclose(handle);
  if (descriptor >= 0)
    close(descriptor);
}

LqEntry CodeObject::entry(const std::string &name) const {
  return reinterpret_cast<LqEntry>(dlsym(handle, ("lq_entry_" + name).c_str()));
}
