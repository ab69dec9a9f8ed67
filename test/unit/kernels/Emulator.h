//===- Emulator.h - another machine's code, under an emulator ---*- C++ -*-===//

#ifndef LQ_TEST_UNIT_KERNELS_EMULATOR_H
#define LQ_TEST_UNIT_KERNELS_EMULATOR_H

#include "lowering/cpu/codegen/CpuLevel.h"
#include "test/unit/kernels/CallProtocol.h"
#include <cstddef>
#include <string>
#include <vector>

namespace lq::cpu::test {

/// A call server (CallServer.cpp) that runs under an emulator as long as this
/// process. Ends the process with a message if it fails, as a crash of native
/// code would.
class Emulator {
public:
  /// Why there is none for an architecture; empty if there is one.
  static std::string whyNone(Architecture architecture);
  /// The emulator of AArch64, started by the first call; it must be there.
  static Emulator &get();
  Emulator(const Emulator &) = delete;

  /// The features that lq's runtime finds on a processor of QEMU's names, a
  /// line each.
  static std::string features(const std::string &processor);

  /// Loads a shared object; returns the address of a function there.
  int64_t load(const std::string &path, const std::string &symbol);

  /// A word that is a number, or an address in a buffer.
  struct Word {
    int64_t target, addend;
  };
  static Word number(int64_t value) {
    return {static_cast<int64_t>(Target::Number), value};
  }
  struct Pointer {
    int64_t place;
    Word word;
  };
  /// Memory of the call: copied there, and back after it.
  struct Buffer {
    char *data;
    size_t bytes;
    std::vector<Pointer> pointers;
  };
  /// Calls a function for each list of arguments, one after the other.
  void call(int64_t function, const std::vector<Buffer> &buffers,
            const std::vector<std::vector<Word>> &calls);

private:
  int requests, answers, process;
  /// What of a request is not sent yet.
  std::string pending;

  Emulator();
  ~Emulator();
  void add(const void *bytes, size_t count) {
    pending.append(static_cast<const char *>(bytes), count);
  }
  void add(int64_t word) { add(&word, sizeof(word)); }
  void add(Word word);
  void addText(const std::string &text);
  void send();
  void receive(void *bytes, size_t count);
};

} // namespace lq::cpu::test

#endif // LQ_TEST_UNIT_KERNELS_EMULATOR_H
