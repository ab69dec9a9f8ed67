//===- Team.cpp - the threads that run an entry point ---------------------===//

#include "runtime/Team.h"

#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

using namespace lq;

/// How long to spin for a thread that computes: longer than work is uneven,
/// shorter than a time slice that another process may have taken.
static constexpr int64_t barrierSpinNanoseconds = 50'000;
/// How long a worker spins for the next token: longer than sampling takes.
static constexpr int64_t idleSpinNanoseconds = 200'000;
/// With more threads than processors, the awaited one may need this processor.
static constexpr int64_t oversubscribedSpinNanoseconds = 1'000;

static inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

static int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

static long futex(std::atomic<uint32_t> &word, int operation, uint32_t value) {
  static_assert(sizeof(word) == sizeof(uint32_t));
  return syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), operation,
                 value, nullptr, nullptr, 0);
}

unsigned lq::availableProcessors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    return static_cast<unsigned>(CPU_COUNT(&set));
  unsigned processors = std::thread::hardware_concurrency();
  return processors ? processors : 1;
}

void Team::Signal::await(uint32_t old, int64_t spinNanoseconds) {
  constexpr int spinsPerClockCheck = 64;
  int64_t start = 0;
  do {
    for (int i = 0; i < spinsPerClockCheck; ++i) {
      if (value.load(std::memory_order_acquire) != old)
        return;
      relax();
    }
    if (!start)
      start = now();
  } while (now() - start < spinNanoseconds);

  // Sequentially consistent with `set`: either it sees the sleeper, or the
  // sleeper sees the new value.
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (value.load(std::memory_order_seq_cst) == old)
    futex(value, FUTEX_WAIT_PRIVATE, old);
  sleepers.fetch_sub(1, std::memory_order_relaxed);
}

void Team::Signal::set(uint32_t next) {
  value.store(next, std::memory_order_seq_cst);
  if (sleepers.load(std::memory_order_seq_cst))
    futex(value, FUTEX_WAKE_PRIVATE, INT_MAX);
}

Team::Team(unsigned threads) : threadCount(threads) {
  bool oversubscribed = threads > availableProcessors();
  barrierSpin =
      oversubscribed ? oversubscribedSpinNanoseconds : barrierSpinNanoseconds;
  idleSpin =
      oversubscribed ? oversubscribedSpinNanoseconds : idleSpinNanoseconds;
}

Expected<std::unique_ptr<Team>> Team::create(unsigned threads) {
  if (threads > maxThreads)
    return makeError(ErrorCode::InvalidArgument, "expected at most ",
                     maxThreads, " threads, got ", threads);
  std::unique_ptr<Team> team(
      new Team(threads ? threads : availableProcessors()));
  if (Error error = team->start())
    return error;
  return team;
}

Error Team::start() {
  // Signals are the business of the program's own threads.
  sigset_t all, previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  Error error;
  try {
    for (unsigned thread = 1; thread < threadCount; ++thread)
      workers.emplace_back([this, thread] { work(thread); });
  } catch (const std::system_error &failure) {
    error = makeError(ErrorCode::OutOfMemory, "cannot start thread ",
                      workers.size() + 1, " of ", threadCount, ": ",
                      failure.what());
  }
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  return error;
}

Team::~Team() {
  jobFunction = nullptr;
  generation.set(generation.value.load(std::memory_order_relaxed) + 1);
  for (std::thread &worker : workers)
    worker.join();
}

void Team::work(int64_t thread) {
  pthread_setname_np(pthread_self(), "lq-worker");
  for (uint32_t seen = 0;; ++seen) {
    generation.await(seen, idleSpin);
    if (!jobFunction)
      return;
    jobFunction(jobState, thread, threadCount);
    barrier();
  }
}

void Team::barrier() {
  if (threadCount == 1)
    return;
  // The phase cannot move on before this thread has arrived.
  uint32_t current = phase.value.load(std::memory_order_relaxed);
  if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == threadCount) {
    arrived.store(0, std::memory_order_relaxed);
    phase.set(current + 1);
    return;
  }
  phase.await(current, barrierSpin);
}

void Team::dispatch(Work function, const void *state) {
  if (threadCount > 1) {
    jobFunction = function;
    jobState = state;
    generation.set(generation.value.load(std::memory_order_relaxed) + 1);
  }
  function(state, 0, threadCount);
  barrier();
}

void Team::run(LqEntry entry, LqCall call) {
  call.barrier = [](void *team) { static_cast<Team *>(team)->barrier(); };
  call.team = this;
  forAll(
      [&](int64_t thread, int64_t threads) { entry(&call, thread, threads); });
}
