//===- Harness.cpp - compile a kernel, load it, call it -------------------===//

#include "test/unit/kernels/Harness.h"
#include "lowering/cpu/codegen/Codegen.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include <cassert>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace lq::cpu;
using namespace lq::cpu::test;

GuardedBuffer::GuardedBuffer(size_t bytes) : bytes(bytes) {
  size_t page = static_cast<size_t>(getpagesize());
  mapped = (bytes + page - 1) / page * page + page;
  mapping = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert(mapping != MAP_FAILED);
  char *guard = static_cast<char *>(mapping) + mapped - page;
  mprotect(guard, page, PROT_NONE);
  start = guard - bytes;
}

GuardedBuffer::GuardedBuffer(GuardedBuffer &&other) {
  std::swap(mapping, other.mapping);
  std::swap(start, other.start);
  std::swap(mapped, other.mapped);
  std::swap(bytes, other.bytes);
}

GuardedBuffer::~GuardedBuffer() {
  if (mapping)
    munmap(mapping, mapped);
}

static void fail(const llvm::Twine &message) {
  llvm::report_fatal_error(message, /*gen_crash_diag=*/false);
}

static llvm::SmallVector<char, 0> compile(Emit emit, const CpuLevel &level,
                                          const CodegenOptions &options) {
  mlir::DialectRegistry registry;
  registerKernelDialects(registry);
  registerCodegenDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  mlir::func::FuncOp function = emit(*module, level);
  function.setPublic();
  if (!options.assembly)
    function->setAttr("llvm.emit_c_interface", mlir::UnitAttr::get(&context));
  if (getenv("LQ_PRINT_KERNELS"))
    module->dump();
  if (mlir::failed(module->verify()) || mlir::failed(lowerToLlvm(*module)))
    fail("the kernel does not lower");
  auto object = compileToObject(*module, level, options);
  if (!object)
    fail(llvm::toString(object.takeError()));
  return std::move(*object);
}

Kernel::Kernel(Emit emit, const CpuLevel &level, int64_t scratchBytes)
    : scratchBytes(scratchBytes) {
  std::string name;
  auto object = compile(
      [&](mlir::ModuleOp module, const CpuLevel &level) {
        mlir::func::FuncOp function = emit(module, level);
        name = function.getName();
        return function;
      },
      level, {});
  llvm::SmallString<128> path;
  if (llvm::sys::fs::createTemporaryFile("kernel", "so", path))
    fail("cannot create a temporary file");
  if (llvm::Error error = linkSharedObject(object, path))
    fail(llvm::toString(std::move(error)));
  llvm::FileRemover remover(path);
  std::string symbol = "_mlir_ciface_" + name;
  if (!level.availableOnHost()) {
    emulated = Emulator::get().load(path.str().str(), symbol);
    return;
  }
  library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    fail(dlerror());
  function = dlsym(library, symbol.c_str());
  if (!function)
    fail(dlerror());
}

Kernel::~Kernel() {
  if (library)
    dlclose(library);
}

Kernel::Call Kernel::prepare(std::vector<Argument> arguments, int64_t threads) {
  Call call;
  call.function = function;
  call.arguments = std::move(arguments);
  call.threads = threads;
  for (int64_t thread = 0; thread < threads; ++thread)
    call.scratch.push_back(Array<char>({scratchBytes}));
  return call;
}

void Kernel::Call::operator()(int64_t thread) {
  // Pointers and indices are passed alike, and a function may be called with
  // more arguments than it reads.
  constexpr size_t most = 14;
  assert(arguments.size() + 3 <= most);
  intptr_t a[most] = {};
  size_t count = 0;
  for (Argument &argument : arguments)
    a[count++] = argument.get();
  Argument own = scratch[thread];
  a[count++] = own.get();
  a[count++] = thread;
  a[count++] = threads;
  using I = intptr_t;
  reinterpret_cast<void (*)(I, I, I, I, I, I, I, I, I, I, I, I, I, I)>(
      function)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9],
                a[10], a[11], a[12], a[13]);
}

Emulator::Word Argument::emulate(std::vector<Emulator::Buffer> &buffers) {
  if (isIndex)
    return Emulator::number(words[0]);
  char *data = reinterpret_cast<char *>(words[0]);
  // What is one memory here is one there.
  auto same = llvm::find_if(
      buffers, [&](const auto &buffer) { return buffer.data == data; });
  int64_t memory = same - buffers.begin();
  if (same == buffers.end() || same->bytes != bytes) {
    memory = static_cast<int64_t>(buffers.size());
    buffers.push_back({data, bytes, {}});
  }
  int64_t descriptor = static_cast<int64_t>(buffers.size());
  buffers.push_back({reinterpret_cast<char *>(words.data()),
                     words.size() * sizeof(int64_t),
                     {{0, {memory, 0}}, {sizeof(int64_t), {memory, 0}}}});
  return {descriptor, 0};
}

void Kernel::emulate(std::vector<Argument> arguments, int64_t threads) {
  std::vector<Emulator::Buffer> buffers;
  std::vector<Emulator::Word> common;
  for (Argument &argument : arguments)
    common.push_back(argument.emulate(buffers));
  std::vector<Array<char>> scratch;
  std::vector<Argument> descriptors;
  std::vector<std::vector<Emulator::Word>> calls;
  for (int64_t thread = 0; thread < threads; ++thread)
    descriptors.push_back(scratch.emplace_back(std::vector{scratchBytes}));
  for (int64_t thread = 0; thread < threads; ++thread) {
    calls.push_back(common);
    calls.back().push_back(descriptors[thread].emulate(buffers));
    calls.back().push_back(Emulator::number(thread));
    calls.back().push_back(Emulator::number(threads));
  }
  Emulator::get().call(emulated, buffers, calls);
}

void Kernel::operator()(std::vector<Argument> arguments, int64_t threads) {
  if (!function)
    return emulate(std::move(arguments), threads);
  Call call = prepare(std::move(arguments), threads);
  for (int64_t thread = 0; thread < threads; ++thread)
    call(thread);
}

std::string lq::cpu::test::getAssembly(Emit emit, const CpuLevel &level) {
  auto text = compile(emit, level, {.assembly = true});
  return std::string(text.begin(), text.end());
}

std::vector<const CpuLevel *> lq::cpu::test::listLevels() {
  std::vector<const CpuLevel *> levels;
  for (const CpuLevel &level : CpuLevel::all())
    levels.push_back(&level);
  return levels;
}

std::vector<const CpuLevel *> lq::cpu::test::availableLevels() {
  std::vector<const CpuLevel *> levels = listLevels();
  std::erase_if(levels, [](auto *level) { return !level->availableOnHost(); });
  return levels;
}

std::string lq::cpu::test::whyNotRun(const CpuLevel &level) {
  if (level.availableOnHost())
    return {};
  if (level.architecture == hostArchitecture())
    return "this machine lacks its features";
  return Emulator::whyNone(level.architecture);
}
