//===- Team.h - the threads that run an entry point -------------*- C++ -*-===//
//
// Generated code is single program, multiple data: every thread of a team runs
// the same entry point and they meet at barriers, a few hundred a token. So the
// barrier is the thing to be fast: threads spin for a moment, which costs less
// than sleeping when all of them run, and then sleep in the kernel, which costs
// less than spinning when the machine is busy with something else.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_RUNTIME_TEAM_H
#define LQ_RUNTIME_TEAM_H

#include "runtime/Abi.h"
#include "runtime/Error.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace lq {

/// A fixed number of threads: the caller, which is thread 0, and workers that
/// are parked between runs. One thread at a time may use a team.
class Team {
public:
  /// The most threads a team may have.
  static constexpr unsigned maxThreads = 1024;

  /// Starts `threads` - 1 workers; 0 means one thread a processor that this
  /// process may run on.
  static Expected<std::unique_ptr<Team>> create(unsigned threads);
  Team(const Team &) = delete;
  Team &operator=(const Team &) = delete;
  ~Team();

  unsigned size() const { return threadCount; }

  /// Runs an entry point on all threads and waits for them. Fills in the
  /// call's barrier and team. Allocates nothing.
  void run(LqEntry entry, LqCall call);

  /// Runs action(thread, threads) on all threads and waits for them.
  template <typename Action> void forAll(const Action &action) {
    dispatch(
        [](const void *state, int64_t thread, int64_t threads) {
          (*static_cast<const Action *>(state))(thread, threads);
        },
        &action);
  }

  /// Blocks until all threads of the team have called it.
  void barrier();

private:
  using Work = void (*)(const void *state, int64_t thread, int64_t threads);

  /// A number that threads wait to see change.
  struct alignas(64) Signal {
    std::atomic<uint32_t> value{0};
    std::atomic<uint32_t> sleepers{0};

    /// Waits until the value is not `old`: spinning, then sleeping.
    void await(uint32_t old, int64_t spinNanoseconds);
    void set(uint32_t next);
  };

  explicit Team(unsigned threads);
  Error start();
  void work(int64_t thread);
  void dispatch(Work function, const void *state);

  unsigned threadCount;
  int64_t barrierSpin;
  int64_t idleSpin;
  std::vector<std::thread> workers;

  // Written by thread 0 before it raises `generation`.
  Work jobFunction = nullptr;
  const void *jobState = nullptr;
  Signal generation;
  Signal phase;
  alignas(64) std::atomic<uint32_t> arrived{0};
};

/// Processors that this process may run on, at least 1.
unsigned availableProcessors();

} // namespace lq

#endif // LQ_RUNTIME_TEAM_H
