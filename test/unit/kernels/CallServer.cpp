//===- CallServer.cpp - calls functions of shared objects on request ------===//
//
// Runs on the machine that the code is for, under an emulator where that is
// another one. Requests come on stdin and are answered on stdout, in 64-bit
// words and bytes (CallProtocol.h). With an argument it prints what the runtime
// finds of the processor's features instead. It links no library, so that a
// cross compiler alone builds it.
//
//===----------------------------------------------------------------------===//

#include "runtime/CpuFeatures.h"
#include "test/unit/kernels/CallProtocol.h"
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace lq::cpu::test;

namespace {

[[noreturn]] void fail(const std::string &message) {
  std::fprintf(stderr, "call server: %s\n", message.c_str());
  std::exit(1);
}

void readBytes(void *bytes, size_t count) {
  if (std::fread(bytes, 1, count, stdin) != count)
    fail("the request ends early");
}

int64_t readWord() {
  int64_t word;
  readBytes(&word, sizeof(word));
  return word;
}

std::string readText() {
  std::string text(static_cast<size_t>(readWord()), '\0');
  readBytes(text.data(), text.size());
  return text;
}

void writeWord(int64_t word) { std::fwrite(&word, sizeof(word), 1, stdout); }

/// Memory that ends at a page nobody may touch.
class Buffer {
public:
  explicit Buffer(size_t bytes) : bytes(bytes) {
    size_t page = static_cast<size_t>(getpagesize());
    mapped = (bytes + page - 1) / page * page + page;
    mapping = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
      fail("out of memory");
    char *guard = static_cast<char *>(mapping) + mapped - page;
    mprotect(guard, page, PROT_NONE);
    start = guard - bytes;
  }
  Buffer(Buffer &&other) noexcept
      : mapping(std::exchange(other.mapping, nullptr)), mapped(other.mapped),
        start(other.start), bytes(other.bytes) {}
  ~Buffer() {
    if (mapping)
      munmap(mapping, mapped);
  }
  char *data() const { return start; }
  size_t size() const { return bytes; }

private:
  void *mapping;
  size_t mapped;
  char *start;
  size_t bytes;
};

void waitForTeam(void *team) {
  pthread_barrier_wait(static_cast<pthread_barrier_t *>(team));
}

/// A request to call a function, once for each thread.
class CallRequest {
public:
  void read() {
    function = readWord();
    isTeam = readWord() != 0;
    readBuffers();
    int64_t threads = readWord(), count = readWord();
    if (count > mostArguments)
      fail("too many arguments");
    for (int64_t thread = 0; thread < threads; ++thread) {
      Arguments &words = calls.emplace_back();
      for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
        int64_t target = readWord();
        words[i] = address(target, readWord());
      }
    }
  }

  void run() {
    if (!isTeam) {
      for (const Arguments &arguments : calls)
        callOnce(arguments);
      return;
    }
    pthread_barrier_init(&barrier, nullptr,
                         static_cast<unsigned>(calls.size()));
    std::vector<std::thread> team;
    for (const Arguments &arguments : calls)
      team.emplace_back([&] { callOnce(arguments); });
    for (std::thread &thread : team)
      thread.join();
    pthread_barrier_destroy(&barrier);
  }

  void answer() const {
    for (const Buffer &buffer : buffers)
      std::fwrite(buffer.data(), 1, buffer.size(), stdout);
  }

private:
  static constexpr int64_t mostArguments = 14;
  using Arguments = std::array<int64_t, size_t(mostArguments)>;

  int64_t function = 0;
  bool isTeam = false;
  std::vector<Buffer> buffers;
  std::vector<Arguments> calls;
  pthread_barrier_t barrier;

  void readBuffers() {
    struct Pointer {
      size_t buffer;
      int64_t place, target, addend;
    };
    std::vector<Pointer> pointers;
    int64_t count = readWord();
    for (int64_t i = 0; i < count; ++i) {
      Buffer &buffer = buffers.emplace_back(static_cast<size_t>(readWord()));
      readBytes(buffer.data(), buffer.size());
      for (int64_t left = readWord(); left > 0; --left) {
        int64_t place = readWord(), target = readWord();
        pointers.push_back({static_cast<size_t>(i), place, target, readWord()});
      }
    }
    for (const Pointer &pointer : pointers) {
      int64_t value = address(pointer.target, pointer.addend);
      std::memcpy(buffers[pointer.buffer].data() + pointer.place, &value,
                  sizeof(value));
    }
  }

  int64_t address(int64_t target, int64_t addend) {
    if (target == static_cast<int64_t>(Target::Number))
      return addend;
    if (target == static_cast<int64_t>(Target::Barrier))
      return reinterpret_cast<int64_t>(&waitForTeam);
    if (target == static_cast<int64_t>(Target::Team))
      return reinterpret_cast<int64_t>(&barrier);
    return reinterpret_cast<int64_t>(
               buffers.at(static_cast<size_t>(target)).data()) +
           addend;
  }

  /// Numbers and pointers are passed alike, and a function may be called with
  /// more arguments than it reads.
  void callOnce(const Arguments &a) const {
    using I = int64_t;
    reinterpret_cast<void (*)(I, I, I, I, I, I, I, I, I, I, I, I, I, I)>(
        function)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9],
                  a[10], a[11], a[12], a[13]);
  }
};

/// Answers with the address of a function.
void load() {
  std::string path = readText(), symbol = readText();
  // The file stays open until the end: the dynamic linker knows objects by
  // inode, and that of a removed file may come to mean another.
  if (open(path.c_str(), O_RDONLY | O_CLOEXEC) < 0)
    fail(std::strerror(errno));
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void *function = library ? dlsym(library, symbol.c_str()) : nullptr;
  if (!function)
    fail(dlerror());
  writeWord(reinterpret_cast<int64_t>(function));
}

} // namespace

int main(int argc, char **) {
  if (argc > 1) {
    for (const std::string &feature : lq::hostCpuFeatures())
      std::puts(feature.c_str());
    return 0;
  }
  for (int64_t request; std::fread(&request, sizeof(request), 1, stdin) == 1;) {
    if (request == static_cast<int64_t>(Request::Load)) {
      load();
    } else if (request == static_cast<int64_t>(Request::Call)) {
      CallRequest call;
      call.read();
      call.run();
      call.answer();
    } else {
      fail("unknown request");
    }
    std::fflush(stdout);
  }
  return 0;
}
